//go:build mutation

package safety

import "os"

// Mutable says that guards may be off in this build.
const Mutable = true

// On reports whether a guard is on.
func (g Guard) On() bool { return os.Getenv("TILLFLOW_WITHOUT") != string(g) }
