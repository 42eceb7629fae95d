//go:build unix && !linux

package supervise

import (
	"os"
	"syscall"
)

// executable is this program.
func executable() (string, error) { return os.Executable() }

// withParent asks for nothing: only Linux ends a child with its parent.
func withParent() *syscall.SysProcAttr { return nil }
