// Package heap suits Go's heap to a process that is over within a second. It is
// imported for its effect, which begins before most other packages are initialized.
// What GOGC says goes before.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	_ "github.com/shipit-dev/shipit/internal/supervise" // whose parent needs no heap
)

// spare is how far the heap grows before garbage is collected. It fits into the first
// of the pieces of 64 MB that Go takes its memory in.
const spare = 40 << 20

func init() {
	if _, ok := os.LookupEnv("GOGC"); ok {
		return
	}
	useHugePages(spare)
	spareMemory()
}

// spareMemory lets the heap grow to 40 MB before garbage is collected: most commands
// are over by then, where Go would begin at 4 MB, and spend a fifth of its time on
// a project of 50 services. A larger heap is collected a little later than Go would,
// which still keeps a thousand services below 400 MB.
func spareMemory() {
	const usual = 150 // percent of what is in use that it may grow by
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(max(usual, int(spare*100/max(live[0].Value.Uint64(), spare/11))-100))
	// Once more after the next collection, which finds this.
	runtime.AddCleanup(new([64]byte), func(struct{}) { spareMemory() }, struct{}{})
}
