//go:build unix

package registry

import (
	"os/exec"
	"syscall"
)

// killGroup puts cmd in a process group of its own, which is killed whole when
// its context ends: the go command's compilers would otherwise go on.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
