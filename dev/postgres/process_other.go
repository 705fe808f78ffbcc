//go:build !linux

package postgres

import "syscall"

// dieWithUs does nothing where the kernel has no such service. The next start on the same folder stops what a killed
// one left behind.
func dieWithUs(*syscall.SysProcAttr) {}
