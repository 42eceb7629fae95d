package supervise

import "syscall"

// executable is this program, even when another was installed in its place.
func executable() (string, error) { return "/proc/self/exe", nil }

// withParent ends a child with its parent.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
