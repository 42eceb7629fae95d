package faultproxy

import (
	"net/http"
	"regexp"
	"sync"
	"time"
)

// deployID is what the name of a deploy's records ends in, and the number of a part.
var deployID = regexp.MustCompile(`-\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?$`)

// Fault is what happens to one request; next is the API server.
type Fault func(w http.ResponseWriter, req *http.Request, next http.Handler)

// Rule says which requests meet a fault.
type Rule struct {
	Name  string             // for Request.Fault; "" is "fault"
	Match func(Request) bool // nil is every request
	Nth   int                // the first of the matching requests that meets it; 0 is 1
	Times int                // how many do from there on; 0 is 1, negative all
	For   time.Duration      // from the Nth on, all for that long; Times is not looked at
	Fault Fault
}

// Active is a rule at work.
type Active struct {
	rule  Rule
	fired chan struct{}

	mu      sync.Mutex
	seen    int
	times   int
	since   time.Time
	removed bool
}

// Fired is closed when the first request meets the fault.
func (a *Active) Fired() <-chan struct{} { return a.fired }

// Times returns how many requests met the fault.
func (a *Active) Times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times
}

// Remove ends the rule. A fault that began goes on.
func (a *Active) Remove() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removed = true
}

// meets counts r, and reports whether it meets the fault.
func (a *Active) meets(r Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.removed || a.rule.Match != nil && !a.rule.Match(r) {
		return false
	}
	a.seen++
	past := a.seen - max(a.rule.Nth, 1)
	switch {
	case past < 0:
		return false
	case a.rule.For > 0:
		if past > 0 && time.Since(a.since) > a.rule.For {
			return false
		}
	case a.rule.Times >= 0 && past >= max(a.rule.Times, 1):
		return false
	}
	if a.times++; a.times == 1 {
		a.since = time.Now()
		close(a.fired)
	}
	return true
}
