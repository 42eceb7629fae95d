//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// resident gives the most memory that a process had, in bytes. Linux counts what
// its parent had when it began as its own, so that this program stays small.
func resident(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin":
		return int64(usage.Maxrss) //nolint:unconvert // not the same type everywhere
	}
	return int64(usage.Maxrss) << 10 //nolint:unconvert // as above
}
