package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/shipit-dev/shipit/apply/health"
)

// Time without news is no evidence. While the API server is away nothing is judged;
// when it is back, everything is looked at anew, problems have lasted for no time
// yet, and the deadline is later by as long as it was away.
const (
	awayAtMost = time.Minute      // by which a deadline is put off at most, and never by more than it is long
	graceBack  = 20 * time.Second // the controllers and kubelets were cut off too: they report again first
	graceGone  = 2 * time.Second  // then what is not heard of is looked for
	lookAgain  = time.Second      // while nobody answers
)

// absence is what a wait knows of the times without news.
type absence struct {
	away time.Time     // since when the server is away; zero when it is there
	lost time.Time     // the last loss that was noticed
	back time.Time     // when it last came back
	gap  time.Duration // how long it was away in all
}

// notice finds out whether the server is away, or was. It returns after which time to
// look again, and what makes it useless to go on.
func (t *waiter) notice(ctx context.Context) (time.Duration, error) {
	failed, offline := t.w.state()
	if failed != nil {
		return 0, failed
	}
	if lost := t.w.lostAt(); lost.After(t.lost) {
		t.lost = lost
		if t.away.IsZero() {
			t.away = lost
		}
	}
	if t.away.IsZero() {
		return time.Hour, nil
	}
	if offline || isPassing(t.w.refresh(ctx)) {
		return lookAgain, nil
	}
	t.back = time.Now()
	t.gap += t.back.Sub(t.away)
	t.away = time.Time{}
	for _, u := range t.units {
		u.since, u.settled = map[string]time.Time{}, nil
	}
	return time.Hour, nil
}

// limit is when a wait of so long ends.
func (t *waiter) limit(deadline time.Duration) time.Time {
	gap, most := t.gap, min(deadline, awayAtMost)
	if !t.away.IsZero() {
		gap += time.Since(t.away)
	}
	limit := t.start.Add(deadline + min(gap, most))
	if back := t.back.Add(graceBack); !t.back.IsZero() && back.After(limit) {
		limit = back
	}
	if last := t.start.Add(deadline + most + graceBack); limit.After(last) {
		limit = last
	}
	return limit
}

// ruling is what one look at a unit finds.
type ruling struct {
	healthy   bool
	pods      Pods
	message   string
	next      time.Duration // after which to look again even if nothing changes
	waits     *finding      // what it waits for
	worst     *finding      // what ends the wait
	diagnosis *Diagnosis    // what ends the wait, if it was asked about already
}

func (r *ruling) bad() bool { return r.worst != nil || r.diagnosis != nil }

// look judges one unit, and returns after which time to look again even if
// nothing changes.
func (t *waiter) look(ctx context.Context, u *unitWait) time.Duration {
	r := t.judge(ctx, u)
	if r.bad() && t.away.IsZero() {
		// A watch may be behind, or dead: what ends a deploy is looked at first.
		if isPassing(t.w.refresh(ctx)) || t.w.ours != nil && t.w.ours(ctx) != nil {
			return lookAgain // a process that was stopped for long may have a successor
		}
		u.checked = time.Time{}
		r = t.judge(ctx, u)
	}
	now := time.Now()
	t.progress(u, r.pods, r.message)
	switch {
	case r.healthy:
		u.healthy, u.took = true, now.Sub(t.start)
		if len(u.workloads) > 0 && !u.hook {
			t.em.emit(Event{Kind: EventHealthy, Unit: u.unit, Pods: r.pods})
		}
		return time.Hour
	case r.diagnosis == nil && r.worst != nil:
		r.diagnosis, _ = t.c.diagnose(ctx, u.unit, r.worst.w, r.worst.pr, now.Sub(r.worst.since))
		if r.diagnosis.Object == (Ref{}) && len(u.workloads) > 0 {
			r.diagnosis.Object = u.workloads[0].ref
		}
		if r.diagnosis.Code == CodeGone {
			t.c.whyGone(ctx, r.diagnosis)
		}
	}
	if r.diagnosis != nil {
		u.diagnosis, u.took = r.diagnosis, now.Sub(t.start)
		t.em.emit(Event{Kind: EventFailed, Unit: u.unit, Pods: r.pods, Diagnosis: u.diagnosis})
		return r.next
	}
	return min(r.next, t.tell(ctx, u, r.waits))
}

// judge looks at the workloads of a unit as they are known.
func (t *waiter) judge(ctx context.Context, u *unitWait) ruling {
	now, limit := time.Now(), t.limit(u.deadline(t.timeout))
	r := ruling{healthy: true, next: time.Until(limit)}
	lasting := map[string]time.Time{}
	for _, a := range u.workloads {
		wl := t.w.awaited(a)
		v := t.verdict(a, wl)
		r.pods.Wanted += v.Pods.Wanted
		r.pods.Updated += v.Pods.Updated
		r.pods.Ready += v.Pods.Ready
		if v.Healthy {
			if rest := u.settling(a, now); rest > 0 {
				r.healthy, r.message, r.next = false, "checking that it stays up", min(r.next, rest)
			}
			continue
		}
		delete(u.settled, a.ref)
		r.healthy, r.message = false, v.Message
		for _, pr := range v.Problems {
			key := a.ref.String() + "/" + pr.Key
			first, known := u.since[key]
			if !known {
				first = now
			}
			lasting[key] = first
			t.weigh(ctx, u, &r, finding{wl, pr, first}, now)
		}
		if r.worst == nil && !now.Before(limit) {
			r.worst = &finding{w: wl, pr: t.late(a, v), since: t.start}
			if first, known := lasting[a.ref.String()+"/"+r.worst.pr.Key]; known {
				r.worst.since = first
			}
		}
	}
	u.since = lasting
	return r
}

// weigh decides whether a problem ends the wait now.
func (t *waiter) weigh(ctx context.Context, u *unitWait, r *ruling, f finding, now time.Time) {
	if !t.away.IsZero() {
		return
	}
	if r.waits == nil {
		r.waits = &f
	}
	if f.pr.Slow && t.timeout > 0 {
		return
	}
	left := f.pr.Grace - now.Sub(f.since)
	switch {
	case left > 0:
		r.next = min(r.next, left)
	case !f.pr.Unsure:
		if r.worst == nil {
			r.worst = &f
		}
	case now.Sub(u.checked) >= recheck:
		u.checked = now
		if d, certain := t.c.diagnose(ctx, u.unit, f.w, f.pr, now.Sub(f.since)); certain {
			r.diagnosis = d
		}
		r.next = min(r.next, recheck)
	default:
		r.next = min(r.next, recheck-now.Sub(u.checked))
	}
}

// late is what ends the wait at the deadline: the worst problem there is, or
// only that it is late.
func (t *waiter) late(a awaited, v health.Verdict) health.Problem {
	if !t.away.IsZero() {
		return health.Problem{Diagnosis: Diagnosis{Code: CodeDeadlineExceeded, Object: a.ref, Message: "the API server did not answer until the deadline"}}
	}
	if len(v.Problems) > 0 {
		return v.Problems[0]
	}
	return health.Problem{Diagnosis: Diagnosis{Code: CodeDeadlineExceeded, Object: a.ref, Message: fmt.Sprintf("not rolled out in time: %s", v.Message)}}
}

// settling returns how long a workload that is healthy must still stay so.
func (u *unitWait) settling(a awaited, now time.Time) time.Duration {
	if a.settle == 0 {
		return 0
	}
	if u.settled == nil {
		u.settled = map[Ref]time.Time{}
	}
	first, ok := u.settled[a.ref]
	if !ok {
		u.settled[a.ref], first = now, now
	}
	return a.settle - now.Sub(first)
}
