package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply/health"
)

// settle is how long a container without a readiness probe must stay up before
// it counts as healthy: it is "ready" from its first moment, also when it exits
// in the next. A workload with minReadySeconds says it itself, and better: then
// its controller keeps the old pods that long too.
const settle = 3 * time.Second

// recheck is how often the events of a pod that does not start are asked for
// again.
const recheck = 4 * time.Second

// A wait says what it waits for after tellAfter, and every tellEvery from then on;
// of many units one after the other, tellApart from each other.
const (
	tellAfter = 5 * time.Second
	tellEvery = 15 * time.Second
	tellApart = time.Second
)

// goal is one unit to wait for.
type goal struct {
	name      string // of the unit
	hook      bool   // it is a hook of the unit, not the unit
	workloads []awaited
}

// awaited is one workload, from the generation that was applied.
type awaited struct {
	ref        Ref
	uid        types.UID
	generation int64
	deadline   time.Duration
	settle     time.Duration
}

// newGoal makes the goal of a unit from its objects as the server answered.
// moved says that they were changed, so that new pods must first prove
// themselves.
func newGoal(unit string, objects []*unstructured.Unstructured, moved bool) goal {
	g := goal{name: unit}
	for _, o := range objects {
		ref := refOf(o)
		if !isWorkload(kindRef{ref.APIVersion, ref.Kind}) {
			continue
		}
		a := awaited{ref: ref, uid: o.GetUID(), generation: o.GetGeneration(), deadline: health.Deadline(o)}
		minReady, _, _ := unstructured.NestedInt64(o.Object, "spec", "minReadySeconds")
		if moved && minReady == 0 && ref.Kind != "Job" && !probesReadiness(o) {
			a.settle = settle
		}
		g.workloads = append(g.workloads, a)
	}
	return g
}

func (g goal) deadline(timeout time.Duration) time.Duration {
	if timeout > 0 {
		return timeout
	}
	var longest time.Duration
	for _, a := range g.workloads {
		longest = max(longest, a.deadline)
	}
	return longest
}

// probesReadiness reports whether every container has a readiness probe.
func probesReadiness(o *unstructured.Unstructured) bool {
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if m, ok := c.(map[string]any); !ok || m["readinessProbe"] == nil {
			return false
		}
	}
	return len(containers) > 0
}

// unitHealth is what became of a goal.
type unitHealth struct {
	unit      string
	healthy   bool
	pods      Pods
	took      time.Duration
	diagnosis *Diagnosis // nil when healthy, and when another unit's failure ended the wait
}

// errNotHealthy says that the diagnoses of the returned healths tell why.
var errNotHealthy = errors.New("not healthy")

// wait returns when every goal is reached, with errNotHealthy when one cannot
// be, or with ctx's cause. The healths are complete in every case. A timeout
// replaces the computed deadlines.
func (c *Client) wait(ctx context.Context, em *emitter, w *watcher, goals []goal, timeout time.Duration) ([]unitHealth, error) {
	t := &waiter{c: c, em: em, w: w, start: time.Now(), timeout: timeout}
	for _, g := range goals {
		u := &unitWait{goal: g, unitHealth: unitHealth{unit: g.name}, since: map[string]time.Time{}}
		t.units = append(t.units, u)
		if len(g.workloads) > 0 {
			em.emit(Event{Kind: EventWaiting, Unit: g.name, Deadline: g.deadline(timeout)})
		}
	}
	err := t.run(ctx)
	out := make([]unitHealth, len(t.units))
	for i, u := range t.units {
		out[i] = u.unitHealth
	}
	return out, err
}

type waiter struct {
	c       *Client
	em      *emitter
	w       *watcher
	units   []*unitWait
	start   time.Time
	timeout time.Duration
	told    time.Time // when it was last said what a unit waits for
}

type unitWait struct {
	goal
	unitHealth
	since   map[string]time.Time // when each problem was first seen
	settled map[Ref]time.Time    // when each workload was first seen healthy
	checked time.Time            // when events were last asked for
	told    time.Time            // when it was last said what this one waits for
	message string
}

func (t *waiter) run(ctx context.Context) error {
	news, stop := t.w.listen()
	defer stop()
	if err := t.first(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		case <-timer.C:
		}
		failed, offline := t.w.state()
		if failed != nil {
			return failed
		}
		next, done, bad := time.Hour, true, false
		for _, u := range t.units {
			if u.healthy {
				continue
			}
			again := t.look(ctx, u, offline)
			bad = bad || u.diagnosis != nil
			done = done && u.healthy
			next = min(next, again)
		}
		switch {
		case bad:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errNotHealthy
		case done:
			return nil
		}
		timer.Reset(max(next, time.Millisecond))
	}
}

// first waits for the first listing, until the last deadline at most: then look
// says that the server did not answer.
func (t *waiter) first(ctx context.Context) error {
	var longest time.Duration
	for _, u := range t.units {
		longest = max(longest, u.deadline(t.timeout))
	}
	bounded, cancel := context.WithDeadlineCause(ctx, t.start.Add(longest), errTimeIsUp)
	defer cancel()
	if err := t.w.synced(bounded); !errors.Is(err, errTimeIsUp) {
		return err
	}
	return nil
}

// look judges one unit, and returns after which time to look again even if
// nothing changes.
func (t *waiter) look(ctx context.Context, u *unitWait, offline bool) time.Duration {
	now := time.Now()
	limit := t.start.Add(u.deadline(t.timeout))
	next := time.Until(limit)
	healthy, pods, message := true, Pods{}, ""
	var worst, waits *finding
	lasting := map[string]time.Time{}
	for _, a := range u.workloads {
		wl := t.w.awaited(a)
		v := health.Evaluate(wl, a.generation)
		pods.Wanted += v.Pods.Wanted
		pods.Updated += v.Pods.Updated
		pods.Ready += v.Pods.Ready
		if v.Healthy {
			if rest := u.settling(a, now); rest > 0 {
				healthy, message, next = false, "checking that it stays up", min(next, rest)
			}
			continue
		}
		delete(u.settled, a.ref)
		healthy, message = false, v.Message
		for _, pr := range v.Problems {
			key := a.ref.String() + "/" + pr.Key
			first, known := u.since[key]
			if !known {
				first = now
			}
			lasting[key] = first
			if waits == nil && !offline {
				waits = &finding{wl, pr, first}
			}
			if pr.Slow && t.timeout > 0 {
				continue
			}
			left := pr.Grace - now.Sub(first)
			switch {
			case left > 0:
				next = min(next, left)
			case offline:
			case !pr.Unsure:
				if worst == nil {
					worst = &finding{wl, pr, first}
				}
			case now.Sub(u.checked) >= recheck:
				u.checked = now
				if d, certain := t.c.diagnose(ctx, u.unit, wl, pr, now.Sub(first)); certain {
					u.diagnosis = d
				}
				next = min(next, recheck)
			default:
				next = min(next, recheck-now.Sub(u.checked))
			}
		}
		if worst == nil && !now.Before(limit) {
			worst = &finding{w: wl, pr: t.late(a, v, offline), since: t.start}
			if first, known := lasting[a.ref.String()+"/"+worst.pr.Key]; known {
				worst.since = first
			}
		}
	}
	u.since = lasting
	t.progress(u, pods, message)
	switch {
	case healthy:
		u.healthy, u.took = true, now.Sub(t.start)
		if len(u.workloads) > 0 && !u.hook {
			t.em.emit(Event{Kind: EventHealthy, Unit: u.unit, Pods: pods})
		}
		return time.Hour
	case u.diagnosis == nil && worst != nil:
		u.diagnosis, _ = t.c.diagnose(ctx, u.unit, worst.w, worst.pr, now.Sub(worst.since))
		if u.diagnosis.Object == (Ref{}) && len(u.workloads) > 0 {
			u.diagnosis.Object = u.workloads[0].ref
		}
	}
	if u.diagnosis != nil {
		u.took = now.Sub(t.start)
		t.em.emit(Event{Kind: EventFailed, Unit: u.unit, Pods: pods, Diagnosis: u.diagnosis})
		return next
	}
	return min(next, t.tell(ctx, u, waits))
}

// finding is a problem of a workload, and when it was first seen.
type finding struct {
	w     *health.Workload
	pr    health.Problem
	since time.Time
}

// tell says now and then what a unit waits for: the cause of what may pass still, or
// that it goes on. It returns after which time it has to say it again.
func (t *waiter) tell(ctx context.Context, u *unitWait, waits *finding) time.Duration {
	due := t.start.Add(tellAfter)
	if !u.told.IsZero() {
		due = u.told.Add(tellEvery)
	}
	if apart := t.told.Add(tellApart); apart.After(due) {
		due = apart
	}
	now := time.Now()
	if now.Before(due) {
		return due.Sub(now)
	}
	t.told, u.told = now, now
	e := Event{Kind: EventProgress, Unit: u.unit, Pods: u.pods, Message: u.message}
	if waits != nil {
		e.Diagnosis, _ = t.c.diagnose(ctx, u.unit, waits.w, waits.pr, now.Sub(waits.since))
	}
	t.em.emit(e)
	return tellEvery
}

// late is what ends the wait at the deadline: the worst problem there is, or
// only that it is late.
func (t *waiter) late(a awaited, v health.Verdict, offline bool) health.Problem {
	if offline {
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

func (t *waiter) progress(u *unitWait, pods Pods, message string) {
	if len(u.workloads) == 0 || pods == u.pods && message == u.message {
		return
	}
	u.pods, u.message = pods, message
	t.em.emit(Event{Kind: EventProgress, Unit: u.unit, Pods: pods, Message: message})
}
