package heap

import (
	"math"
	"runtime"
	"runtime/debug"
	"syscall"
)

// useHugePages asks the kernel for pages of 2 MB in the heap's first size bytes.
// Taken 4 KB at a time, the memory of 50 services costs 7000 page faults, which is
// a third of the processor's time in a virtual machine. Go has no setting for it, so
// that much is allocated, marked, and left to the heap, untouched: the mark stays.
// The collection is cheap as long as nothing else is allocated. A kernel that refuses
// leaves everything as it was, and a process whose address space is limited is left
// alone.
func useHugePages(size int) {
	var space syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &space); err != nil || space.Cur != math.MaxUint64 {
		return
	}
	collect := debug.SetGCPercent(-1)
	_ = syscall.Madvise(make([]byte, size), syscall.MADV_HUGEPAGE)
	runtime.GC()
	debug.SetGCPercent(collect)
}
