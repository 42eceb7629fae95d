package apply

import (
	"context"
	"errors"
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
	applied    *unstructured.Unstructured // as the server answered, or as it was found
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
		a := awaited{ref: ref, uid: o.GetUID(), applied: o, generation: o.GetGeneration(), deadline: health.Deadline(o)}
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
	absence
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
		next, err := t.notice(ctx)
		if err != nil {
			return err
		}
		done, bad := true, false
		for _, u := range t.units {
			if u.healthy {
				continue
			}
			again := t.look(ctx, u)
			bad = bad || u.diagnosis != nil
			done = done && u.healthy
			next = min(next, again)
		}
		switch {
		case bad:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return t.c.whyEnded(ctx, errNotHealthy)
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

func (t *waiter) progress(u *unitWait, pods Pods, message string) {
	if len(u.workloads) == 0 || pods == u.pods && message == u.message {
		return
	}
	u.pods, u.message = pods, message
	t.em.emit(Event{Kind: EventProgress, Unit: u.unit, Pods: pods, Message: message})
}
