package chaos

import (
	"time"

	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// fault is one way to break what passes between shipit and the API server.
type fault struct {
	name string
	what string // for the table
	// begin puts it to work for one run, from the n-th request that match counts on.
	begin func(r *run, n int)
	// counts are the requests that n numbers; nil is all. One without numbers (always)
	// is there from the start.
	counts func(faultproxy.Request) bool
	always bool
	kills  bool          // the process ends at once
	stops  bool          // the process is asked to stop
	lasts  time.Duration // a storm's
	// excuses is of faults after which a deploy cannot be expected to end well: the lock
	// is lost, or what is asked for is refused for good.
	excuses bool
}

// at is a fault of the n-th request alone.
func at(f faultproxy.Fault) func(r *run, n int) {
	return func(r *run, n int) { r.proxy.Add(faultproxy.Rule{Nth: n, Fault: f}) }
}

// storm is one of all requests from the n-th on, for a while.
func storm(f faultproxy.Fault, lasts time.Duration) func(r *run, n int) {
	return func(r *run, n int) { r.proxy.Add(faultproxy.Rule{Nth: n, For: lasts, Fault: f}) }
}

// all is one of everything that matches, from the start.
func all(match func(faultproxy.Request) bool, f faultproxy.Fault) func(r *run, n int) {
	return func(r *run, _ int) { r.proxy.Add(faultproxy.Rule{Match: match, Times: -1, Fault: f}) }
}

// network breaks the connections from the n-th request on, and mends them later.
func network(breaks, mends func(p *faultproxy.Proxy), lasts time.Duration) func(r *run, n int) {
	return func(r *run, n int) {
		r.proxy.Add(faultproxy.Rule{Nth: n, Fault: faultproxy.Meanwhile(func() {
			breaks(r.proxy)
			r.later(lasts, func() { mends(r.proxy) })
		})})
	}
}

const (
	short = 5 * time.Second
	long  = 15 * time.Second
	away  = 25 * time.Second
)

func down(p *faultproxy.Proxy) { p.Down() }
func up(p *faultproxy.Proxy)   { _ = p.Up() }

// faults are all of them. Those of one request come first.
func faults() []fault {
	writes := faultproxy.Writes
	leases := faultproxy.All(faultproxy.StateOf(faultproxy.Lease), faultproxy.Of("update", ""))
	return []fault{
		{name: "kill-before", what: "killed before a request is sent", kills: true, begin: func(r *run, n int) { at(faultproxy.Before(r.kill))(r, n) }},
		{name: "kill-after", what: "killed after it was answered", kills: true, begin: func(r *run, n int) { at(faultproxy.After(r.kill))(r, n) }},
		{name: "stop", what: "asked to stop (SIGTERM)", stops: true, begin: func(r *run, n int) { at(faultproxy.Meanwhile(r.stop))(r, n) }},
		{name: "cut-before", what: "connection cut before a request is sent on", begin: at(faultproxy.CutBefore)},
		{name: "cut-after", what: "connection cut after it was done", begin: at(faultproxy.CutAfter)},
		{name: "cut-midway", what: "connection cut in the middle of an answer", counts: faultproxy.Not(faultproxy.Watches), begin: func(r *run, n int) {
			r.proxy.Add(faultproxy.Rule{Match: faultproxy.Not(faultproxy.Watches), Nth: n, Fault: faultproxy.CutMidway})
		}},
		{name: "reset-before", what: "HTTP/2 stream reset before", begin: at(faultproxy.ResetBefore)},
		{name: "reset-after", what: "HTTP/2 stream reset after", begin: at(faultproxy.ResetAfter)},
		{name: "late", what: "an answer 3 s late", begin: at(faultproxy.Delay(3 * time.Second))},
		{name: "401", what: "401 once", begin: at(faultproxy.Unauthorized)},
		{name: "429", what: "429 once", begin: at(faultproxy.TooMany)},
		{name: "429-wait", what: "429 once, with Retry-After", begin: at(faultproxy.TooManyWait)},
		{name: "500", what: "500 once", begin: at(faultproxy.LeaderLost)},
		{name: "502-html", what: "502 once, of HTML", begin: at(faultproxy.HTML(502))},
		{name: "503", what: "503 once", begin: at(faultproxy.Unavailable)},
		{name: "504-done", what: "504 once, though it was done", begin: at(faultproxy.AnswerLate(faultproxy.TimedOut))},
		{name: "webhook", what: "a webhook that is down, once", counts: writes, begin: func(r *run, n int) {
			r.proxy.Add(faultproxy.Rule{Match: writes, Nth: n, Fault: faultproxy.WebhookDown})
		}},
		{name: "no-lease", what: "the Lease cannot be renewed for 5 s", always: true, begin: func(r *run, _ int) {
			r.proxy.Add(faultproxy.Rule{Match: leases, For: short, Fault: faultproxy.Unavailable})
		}},

		{name: "watch-closed", what: "watches end at once", always: true, begin: all(faultproxy.Watches, faultproxy.WatchClosed)},
		{name: "watch-mute", what: "watches say nothing", always: true, begin: all(faultproxy.Watches, faultproxy.WatchMute)},
		{name: "watch-expired", what: "watches say 410", always: true, begin: all(faultproxy.Watches, faultproxy.WatchExpired)},
		{name: "watch-refused", what: "watches are answered with 410", always: true, begin: all(faultproxy.Watches, faultproxy.WatchRefused)},
		{name: "stale", what: "lists have what the first of them had", always: true, begin: func(r *run, n int) {
			all(faultproxy.Of("list", ""), r.proxy.Stale)(r, n)
		}},
		{name: "silent-before", what: "no answer ever, and nothing was done", begin: at(faultproxy.Silence)},
		{name: "silent-after", what: "no answer ever, though it was done", begin: at(faultproxy.SilenceAfter)},

		{name: "500-5s", what: "500 for 5 s", lasts: short, begin: storm(faultproxy.LeaderLost, short)},
		{name: "503-15s", what: "503 for 15 s", lasts: long, begin: storm(faultproxy.Unavailable, long)},
		{name: "429-15s", what: "429 with Retry-After for 15 s", lasts: long, begin: storm(faultproxy.TooManyWait, long)},
		{name: "reset-5s", what: "every stream reset for 5 s", lasts: short, begin: storm(faultproxy.ResetBefore, short)},
		{name: "cut-5s", what: "every connection cut for 5 s", lasts: short, begin: storm(faultproxy.CutBefore, short)},
		{name: "html-15s", what: "502 of HTML for 15 s", lasts: long, begin: storm(faultproxy.HTML(502), long)},
		{name: "down-5s", what: "no server for 5 s", lasts: short, begin: network(down, up, short)},
		{name: "down-25s", what: "no server for 25 s", lasts: away, excuses: true, begin: network(down, up, away)},
		{name: "lost-5s", what: "packets lost for 5 s", lasts: short, begin: network((*faultproxy.Proxy).Lose, (*faultproxy.Proxy).Deliver, short)},
		{name: "lost-15s", what: "packets lost for 15 s", lasts: long, excuses: true, begin: network((*faultproxy.Proxy).Lose, (*faultproxy.Proxy).Deliver, long)},
		{name: "denied", what: "a webhook that refuses every write of a Deployment", always: true, excuses: true, begin: all(faultproxy.All(writes, faultproxy.Of("", "deployments")), faultproxy.WebhookDeny)},
	}
}
