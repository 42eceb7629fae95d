package confine

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"syscall"
)

// spare is address space for what is no heap: stacks, and what the heap keeps
// between collections.
const spare = 768 << 20

// limitSpace limits the address space to what is in use and half as much again as
// memory, unless it is limited more already, and gives what lifts that again.
func limitSpace(memory uint64) (restore func()) {
	none := func() {}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return none
	}
	pages, _, _ := bytes.Cut(statm, []byte(" "))
	used, err := strconv.ParseUint(string(pages), 10, 64)
	var old syscall.Rlimit
	if err != nil || syscall.Getrlimit(syscall.RLIMIT_AS, &old) != nil || memory > math.MaxUint64/4 {
		return none
	}
	limit := old
	limit.Cur = min(old.Cur, used*uint64(os.Getpagesize())+memory+memory/2+spare)
	if syscall.Setrlimit(syscall.RLIMIT_AS, &limit) != nil {
		return none
	}
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_AS, &old) }
}
