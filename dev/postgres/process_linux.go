package postgres

import "syscall"

// dieWithUs asks the kernel to end a child when we are gone, however we went. SIGINT is PostgreSQL's fast shutdown:
// it ends sessions and writes a checkpoint. The thread that starts the child must live as long as the child.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
