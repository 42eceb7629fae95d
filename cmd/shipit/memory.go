package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// spareMemory lets the heap grow to 40 MB before garbage is collected: most commands
// are over by then, where Go would begin at 4 MB, and spend a fifth of its time on
// a project of 50 services. A larger heap is collected a little earlier than Go would,
// which keeps a thousand services below 400 MB. What GOGC says goes before.
func spareMemory() {
	if _, ok := os.LookupEnv("GOGC"); ok {
		return
	}
	const (
		spare = 40 << 20
		usual = 75 // percent of what is in use that it may grow by
	)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(max(usual, spare*100/max(int(live[0].Value.Uint64()), spare/11)-100))
	// Once more after the next collection, which finds this.
	runtime.AddCleanup(new([64]byte), func(struct{}) { spareMemory() }, struct{}{})
}
