//go:build !mutation

package safety

// Mutable says that guards may be off in this build.
const Mutable = false

// On reports whether a guard is on: always.
func (Guard) On() bool { return true }
