package stack

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends the child when this program is killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
