package chaoskill

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends the process when this program is killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
