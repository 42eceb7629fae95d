package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// A deploy that was killed, or stopped and left as it was, may have left a hook
// running: a migration that nobody waits for. It is never ended in the middle without
// need, and no other one of its unit runs beside it: whoever moves the unit next
// waits for its end first, by the deadline of the Job at most. One of which nothing
// runs now, such as one whose image cannot be pulled, is ended.

// awaitLeft waits for the hooks that run of a unit, except for those that this
// deploy would run itself, whose results are its own. Nothing of the unit is written
// before.
func (m *mover) awaitLeft(ctx, going context.Context, w *writer, n *node) error {
	own := map[string]bool{}
	if !n.target.past {
		for _, o := range n.target.objects {
			own[o.GetName()] = own[o.GetName()] || hookPhase(o) != ""
		}
	}
	left := m.c.leftHooks(m.live, n.target.unit)
	for _, job := range left {
		if own[job.GetName()] {
			continue
		}
		late := patienceFor(job, m.patience(n.target))
		ended, err := m.watcher.awaitHook(going, job, late)
		if err != nil {
			return err
		}
		switch ended {
		case hookRuns:
			d := &Diagnosis{
				Code: CodeDeadlineExceeded, Unit: n.target.unit, Object: refOf(job),
				Message: fmt.Sprintf("%s, which a deploy that was stopped had started, still runs after %s", refOf(job), late),
				Hint:    fmt.Sprintf("wait for its end, or end it: kubectl -n %s delete job %s", job.GetNamespace(), job.GetName()),
			}
			m.em.emit(Event{Kind: EventFailed, Unit: n.target.unit, Diagnosis: d})
			n.healths = []unitHealth{{unit: n.target.unit, diagnosis: d}}
			return errNotHealthy
		case hookIdle:
			if err := m.watcher.endHook(ctx, going, w, job); err != nil {
				return err
			}
		case hookCompleted:
			n.leftDone = append(n.leftDone, refOf(job))
		}
	}
	return nil
}

// patienceFor is how long to wait for a Job that runs.
func patienceFor(job *unstructured.Unstructured, timeout time.Duration) time.Duration {
	if timeout > 0 {
		return timeout
	}
	return health.Deadline(job)
}

// hookEnd is how a hook that was left running ended.
type hookEnd int

const (
	hookRuns      hookEnd = iota // not yet
	hookCompleted                // well
	hookFailed                   // not well, or somebody deleted it
	hookIdle                     // not yet, and nothing of it runs now
)

// idleFor is how long nothing of a hook must have been seen running before it is
// taken to be idle: between two attempts, or before its end is noted, nothing runs.
const idleFor = 5 * time.Second

// leftHooks are the hooks of a unit that are not at their end, by name.
func (c *Client) leftHooks(live map[objectKey]*unstructured.Unstructured, unit string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range live {
		if unitOf(o) == unit && hookPhase(o) != "" && entry(o, c.owner.Manager()) != nil && !health.JobEnded(o) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *unstructured.Unstructured) int { return compareRefs(refOf(a), refOf(b)) })
	return out
}

// awaitHook waits while something of a hook runs, for atMost.
func (w *watcher) awaitHook(ctx context.Context, job *unstructured.Unstructured, atMost time.Duration) (hookEnd, error) {
	if err := w.synced(ctx); err != nil {
		return hookRuns, err
	}
	news, stop := w.listen()
	defer stop()
	ref, start := refOf(job), time.Now()
	var idle time.Time // since when nothing of it has been seen running
	w.em.emit(Event{Kind: EventProgress, Unit: unitOf(job), Object: &ref, Message: fmt.Sprintf("waiting for the end of %s, which a deploy that was stopped had started", ref)})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			return hookRuns, context.Cause(ctx)
		}
		failed, offline := w.state()
		if failed != nil {
			return hookRuns, failed
		}
		now := time.Now()
		end := w.hookEnd(job)
		next := atMost - now.Sub(start)
		switch {
		case end != hookIdle || offline:
			idle = time.Time{}
		case idle.IsZero():
			idle = now
			fallthrough
		default:
			next = min(next, idleFor-now.Sub(idle))
		}
		switch {
		case end == hookCompleted, end == hookFailed, end == hookIdle && !idle.IsZero() && now.Sub(idle) >= idleFor:
			return end, nil
		case now.Sub(start) >= atMost:
			return hookRuns, nil
		}
		timer.Reset(max(time.Millisecond, next))
	}
}

// hookEnd says how a hook is now, as it was last seen.
func (w *watcher) hookEnd(job *unstructured.Unstructured) hookEnd {
	wl := w.awaited(awaited{ref: refOf(job), uid: job.GetUID()})
	running := slices.ContainsFunc(w.podsOf(job), runsNow)
	switch {
	case wl != nil && wl.Object.GetUID() == job.GetUID() && completedJob(wl.Object):
		return hookCompleted
	case running:
		return hookRuns // even if its object is gone: its pods take their time
	case wl == nil || wl.Object.GetUID() != job.GetUID():
		return hookFailed
	case health.JobFailed(wl.Object):
		return hookFailed
	}
	return hookIdle
}

// podsOf are the pods of a Job.
func (w *watcher) podsOf(job metav1.Object) []*corev1.Pod {
	var out []*corev1.Pod
	for _, o := range w.pods.List() {
		if p := o.(*corev1.Pod); metav1.IsControlledBy(p, job) {
			out = append(out, p)
		}
	}
	return out
}

// runsNow reports whether a container of the pod runs, or all have ended well, which
// its Job will note.
func runsNow(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodSucceeded {
		return true
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Running != nil {
			return true
		}
	}
	return false
}

// endHook deletes a hook of which nothing runs, and says so. What of it was about to
// start has ended when it returns.
func (w *watcher) endHook(ctx, going context.Context, by *writer, job *unstructured.Unstructured) error {
	ref := refOf(job)
	w.em.emit(Event{Kind: EventWarning, Unit: unitOf(job), Object: &ref, Message: fmt.Sprintf("%s, which a deploy that was stopped had started, is ended: nothing of it runs", ref)})
	ch := &change{unit: unitOf(job), ref: ref, action: ActionDelete, live: job}
	if err := by.remove(ctx, ch); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	by.tell(ch)
	going, cancel := context.WithTimeout(going, deleteTimeout)
	defer cancel()
	if err := w.c.objectGone(going, w.em, ch.unit, ref, job); err != nil {
		return err
	}
	news, stop := w.listen()
	defer stop()
	for len(w.podsOf(job)) > 0 {
		select {
		case <-news:
		case <-going.Done():
			return fmt.Errorf("the pods of %s are not gone: %w", ref, context.Cause(going))
		}
	}
	return nil
}

// outlastHooks waits for hooks of what is to be deleted, as long as the deletion may
// take. Then they end with it, which is said.
func (w *watcher) outlastHooks(ctx context.Context, jobs []*unstructured.Unstructured, timeout time.Duration) error {
	until := time.Now().Add(timeout)
	for _, job := range jobs {
		end, err := w.awaitHook(ctx, job, time.Until(until))
		if err != nil {
			return err
		}
		ref := refOf(job)
		switch end {
		case hookRuns:
			w.em.emit(Event{Kind: EventWarning, Unit: unitOf(job), Object: &ref, Message: fmt.Sprintf("%s still runs after %s, and is ended", ref, timeout)})
		case hookIdle:
			w.em.emit(Event{Kind: EventWarning, Unit: unitOf(job), Object: &ref, Message: fmt.Sprintf("%s is ended: nothing of it runs", ref)})
		}
	}
	return nil
}

// noteLeft writes into the history which hooks that others had left running ended
// well: they need not run again.
func (m *mover) noteLeft(ix *index) {
	for unit, refs := range m.leftDone {
		u := ix.Units[unit]
		if u == nil || len(u.Releases) == 0 {
			continue
		}
		r := &u.Releases[0]
		for _, ref := range refs {
			if !slices.Contains(r.Hashed, ref) {
				r.Hashed = append(slices.Clone(r.Hashed), ref)
			}
		}
	}
}
