package demo

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the process when its parent is gone, however
// that came about.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
