package containers

import (
	"os/exec"
	"syscall"
)

// endWithUs ends a process, and the system that hangs on it, when whoever
// started it is killed.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
