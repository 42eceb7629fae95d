package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lastLooks is how often what is rolled out anew is waited for again.
const lastLooks = 3

// lastLook is what comes before it is said that everything arrived: what is there now,
// read anew, is what this deploy applied. A workload whose pods somebody restarts is
// waited for again. The error is errNotHealthy, with the diagnoses in the result,
// or a TerminatingError.
func (m *mover) lastLook(ctx context.Context) error {
	for range lastLooks {
		restarted, err := m.lookOnce(context.WithoutCancel(ctx)) // who asks to stop now gets no other end
		if err != nil || len(restarted) == 0 {
			return err
		}
		healths, err := m.c.wait(ctx, m.em, m.watcher, restarted, m.timeout)
		m.note(healths)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *mover) lookOnce(ctx context.Context) (restarted []goal, err error) {
	changes := m.movedChanges()
	var found []stands
	for start := time.Now(); ; {
		found, err = m.c.standing(ctx, changes)
		if err == nil {
			break
		}
		if _, lost := m.lock.age(); lost != nil || !isPassing(err) || time.Since(start) > awayAtMost || !pause(ctx, lookAgain) {
			return nil, err
		}
	}
	if slices.ContainsFunc(found, func(s stands) bool { return s.diagnosis != nil }) {
		if err := m.lock.hold(ctx); err != nil {
			return nil, err // a successor may have done it
		}
	}
	objects := map[string][]*unstructured.Unstructured{}
	for i, ch := range changes {
		switch d := found[i].diagnosis; {
		case d != nil:
			err = errNotHealthy
			if u := m.unit(ch.unit); u.Diagnosis == nil {
				u.Diagnosis = d
				m.em.emit(Event{Kind: EventFailed, Unit: ch.unit, Diagnosis: d})
			}
		case found[i].now != nil && rolledAnew(ch.remains(), found[i].now):
			objects[ch.unit] = append(objects[ch.unit], found[i].now)
		}
	}
	for unit, workloads := range objects {
		if _, healthy := podsNow(workloads); !healthy {
			restarted = append(restarted, newGoal(unit, workloads, false))
		}
	}
	return restarted, err
}

// rolledAnew reports whether a workload's pods are made anew since was: the labels or
// annotations that others add to them do that, as a restart by hand does.
func rolledAnew(was, now *unstructured.Unstructured) bool {
	if !isWorkload(kindRef{now.GetAPIVersion(), now.GetKind()}) {
		return false
	}
	a, _, _ := unstructured.NestedFieldNoCopy(was.Object, "spec", "template")
	b, _, _ := unstructured.NestedFieldNoCopy(now.Object, "spec", "template")
	return !equality.Semantic.DeepEqual(a, b)
}

// stands is what became of an object since it was applied.
type stands struct {
	now       *unstructured.Unstructured
	diagnosis *Diagnosis // why it is not what was applied, nil when it is
}

// standing reads what the changes applied, or left as it was, with one request for each
// kind, and compares. Jobs are not among it: they may be gone when they have run.
func (c *Client) standing(ctx context.Context, changes []*change) ([]stands, error) {
	var kinds []kindRef
	for _, ch := range changes {
		if ch.remains() != nil {
			kinds = append(kinds, kindRef{ch.ref.APIVersion, ch.ref.Kind})
		}
	}
	var live map[objectKey]*unstructured.Unstructured
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := c.namespaceExists(gctx)
		return err
	})
	g.Go(func() (err error) {
		live, err = c.live(gctx, kindsOf(nil, kinds))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([]stands, len(changes))
	g = &errgroup.Group{}
	g.SetLimit(inFlight)
	for i, ch := range changes {
		was := ch.remains()
		if was == nil {
			continue
		}
		g.Go(func() (err error) {
			now := live[keyOf(ch.ref)]
			if now == nil || olderThan(now.GetResourceVersion(), was.GetResourceVersion()) { // a list may be behind
				if now, err = c.get(ctx, ch.ref); err != nil {
					return err
				}
			}
			out[i] = c.compared(ch, was, now)
			return nil
		})
	}
	return out, g.Wait()
}

// remains is the object that a change leaves behind as it was written, or found; nil
// when it leaves none that must stay.
func (ch *change) remains() *unstructured.Unstructured {
	switch {
	case ch.hook != "" || ch.ref.Kind == "Job":
		return nil
	case ch.applied != nil:
		return ch.applied
	case ch.action == ActionUnchanged:
		return ch.live
	}
	return nil
}

// get reads one object; nil when it is not there.
func (c *Client) get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	r, err := c.resource(ref)
	if err != nil {
		return nil, err
	}
	o, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, c.typed(err, ref, nil)
}

// compared says whether an object is still what was written.
func (c *Client) compared(ch *change, was, now *unstructured.Unstructured) stands {
	s := stands{now: now}
	a := awaited{ref: ch.ref, applied: was}
	if now == nil || now.GetUID() != was.GetUID() || now.GetDeletionTimestamp() != nil {
		d := goneProblem(a, now).Diagnosis
		s.diagnosis = &d
	} else if changed := changedSince(was, now, c.owner.Manager()); changed != nil && isBuiltIn(ch.ref) {
		d := changed.diagnosis(ch.ref)
		s.diagnosis = &d
	}
	if s.diagnosis != nil {
		s.diagnosis.Unit = ch.unit
	}
	return s
}

// isBuiltIn reports whether nobody but its author writes the fields of an object: the
// controllers of other kinds may complete what they act on.
func isBuiltIn(ref Ref) bool {
	group := ref.GVK().Group
	return ref.Namespace != "" && (!strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io"))
}

// doomed ends a deploy whose namespace is being deleted: there is nothing to go back
// to, and the record goes with it.
func (m *mover) doomed(ctx context.Context, cause *TerminatingError) error {
	left := map[string]error{}
	for _, unit := range m.begun {
		left[unit] = cause
	}
	err := m.finish(ctx, cause, left)
	var rollout *RolloutError
	if errors.As(err, &rollout) && rollout.Outcome == Interrupted {
		rollout.Outcome, rollout.Err = Failed, cause // nobody goes on with it
		m.result.Outcome = Failed
	}
	return err
}
