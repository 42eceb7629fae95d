package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// returning is the way back of the units that were begun. What one of them, or one
// of its objects, does not do keeps no other from returning.
type returning struct {
	*mover
	w    *writer
	plan *plan
	mu   sync.Mutex
	left map[string]error // the units that did not return, and why
}

// stays says that a unit does not return.
func (r *returning) stays(unit string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left[unit] = errors.Join(r.left[unit], err)
}

// undo takes every unit that was begun home and waits until all are healthy there.
// It returns the units that did not return, and why; the error is what ended it for
// all of them: the lock is lost, or the server did not answer until the end.
func (m *mover) undo(ctx context.Context) (map[string]error, error) {
	r := &returning{mover: m, w: newWriter(m.c, m.em, m.lock), left: map[string]error{}}
	r.w.anew = m.anew
	r.w.resolve, r.w.action, r.w.onward = m.resolve, ActionRestore, true
	var targets []target
	for _, unit := range m.begun {
		if h := m.homes[unit]; h.err != nil {
			r.stays(unit, h.err)
		} else {
			targets = append(targets, h.target)
		}
	}
	var live map[objectKey]*unstructured.Unstructured
	err := repeat(ctx, func(bool) (err error) {
		if live, err = m.c.live(ctx, kindsOf(targets, m.snap.Kinds)); err == nil {
			err = m.catchUp(ctx, live)
		}
		if err == nil {
			m.forgetStrangers(live)
			_, err = m.c.recall(ctx, &m.snap.index, live)
		}
		return err
	})
	if err != nil {
		for _, t := range targets {
			r.stays(t.unit, err)
		}
		return r.left, r.over(ctx)
	}
	targets = append(targets, m.givenBack(live)...)
	m.leaveToOwners(ctx, targets, live)
	r.plan = m.c.plan(targets, live, m.taken)
	// The objects' record replaces what going forward planned: it is what was
	// last done to them.
	defer m.noteUndo(r.plan)
	r.putBack(ctx, unitsOf(targets))
	// What the releases do not have goes last, and while the pods start: a quota of
	// the failed release may keep them from it.
	g := &errgroup.Group{}
	g.Go(func() error {
		r.clear(ctx, targets)
		return nil
	})
	r.awaitHome(ctx, targets)
	_ = g.Wait()
	r.tellStaying(ctx)
	return r.left, r.over(ctx)
}

// catchUp reads one by one what a list does not have as this deploy left it: a list may
// come from a cache that is behind, by which all would seem to be home.
func (m *mover) catchUp(ctx context.Context, live map[objectKey]*unstructured.Unstructured) error {
	var mu sync.Mutex
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	for _, ch := range m.plan.changes {
		key := keyOf(ch.ref)
		mu.Lock()
		now := live[key]
		mu.Unlock()
		behind := now == nil || ch.applied == nil || olderThan(now.GetResourceVersion(), ch.applied.GetResourceVersion())
		if !ch.touched() || !behind || ch.action == ActionDelete && now == nil {
			continue
		}
		g.Go(func() error {
			o, err := m.c.get(ctx, ch.ref)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				return err
			case o == nil:
				delete(live, key)
			case o.GetLabels()[labelPartOf] == m.c.owner.App:
				live[key] = o
			}
			return nil
		})
	}
	return g.Wait()
}

// over returns what ended the way back for all units, nil if nothing did.
func (r *returning) over(ctx context.Context) error {
	if _, lost := r.lock.age(); lost != nil {
		return lost
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, unit := range slices.Sorted(maps.Keys(r.left)) {
		if isUnreachable(r.left[unit]) {
			return r.left[unit]
		}
	}
	return nil
}

// levelLead is how long the units that others need wait for those to be put back
// first: one that is held up does not hold up the rest.
const levelLead = 5 * time.Second

// putBack writes what the releases are made of, those units that need others before
// those they need. Nothing waits between for what becomes healthy: an old release
// may need the old release of what it needs.
func (r *returning) putBack(ctx context.Context, units []string) {
	all := &errgroup.Group{}
	for _, level := range slices.Backward(levels(units, r.edges)) {
		var written sync.WaitGroup
		for _, unit := range level {
			if slices.Contains(r.begun, unit) {
				r.em.emit(Event{Kind: EventRollback, Unit: unit, Release: r.homes[unit].release})
			}
			written.Add(1)
			all.Go(func() error {
				defer written.Done()
				r.write(ctx, unit)
				return nil
			})
		}
		ready := make(chan struct{})
		all.Go(func() error {
			written.Wait()
			close(ready)
			return nil
		})
		select {
		case <-ready:
		case <-time.After(levelLead):
		}
	}
	_ = all.Wait()
}

// write puts back the objects of one unit.
func (r *returning) write(ctx context.Context, unit string) {
	changes := r.plan.of(unit)
	err := r.w.apply(ctx, ctx, changes)
	var failed error
	for _, ch := range changes {
		switch {
		case ch.action == ActionDelete || ch.err == nil || ch.done:
		case isDefinition(ch.ref) && refusesChange(ch.err): // objects are stored in a version that it did not have
			r.em.emit(Event{Kind: EventWarning, Unit: unit, Object: &ch.ref, Message: ch.ref.String() + " cannot become again what it was, and stays as it is", Err: ch.err})
			ch.done = true
		default:
			failed = errors.Join(failed, ch.err)
		}
	}
	switch {
	case failed != nil:
		r.stays(unit, failed)
	case ctx.Err() != nil:
		r.stays(unit, err)
	case err != nil:
		r.em.emit(Event{Kind: EventWarning, Unit: unit, Message: "not everything on the way back went well", Err: err})
	}
}

// clear deletes what the releases do not have, and waits until the pods of the units
// that have no release are gone.
func (r *returning) clear(ctx context.Context, targets []target) {
	_ = r.w.delete(patientUntil(ctx, time.Now()), r.plan.changes)
	g := &errgroup.Group{}
	for _, t := range targets {
		if r.homes[t.unit].release > 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, r.deletionTimeout())
			defer cancel()
			if err := r.c.awaitGone(ctx, r.watcher, t.unit, r.plan.of(t.unit)); err != nil {
				r.em.emit(Event{Kind: EventWarning, Unit: t.unit, Message: "not everything of it is gone yet", Err: err})
			}
			return nil
		})
	}
	_ = g.Wait()
}

// tellStaying tries once more to delete what could not be deleted, and says what
// stays: beside a release that is back it harms nobody, and the next deploy tries
// again. A unit that is to be removed and whose workload stays is not removed.
func (r *returning) tellStaying(ctx context.Context) {
	var again []*change
	for _, ch := range r.plan.changes {
		if ch.action == ActionDelete && isPassing(ch.err) {
			again = append(again, ch)
		}
	}
	if len(again) > 0 {
		once, cancel := hurry(ctx, retryFor)
		_ = r.w.delete(once, again)
		cancel()
	}
	var removed []string
	for _, ch := range r.plan.changes {
		if ch.action != ActionDelete || ch.done || ch.err == nil {
			continue
		}
		if r.homes[ch.unit].release == 0 && hasTemplate(kindRef{ch.ref.APIVersion, ch.ref.Kind}) {
			r.stays(ch.unit, ch.err)
			continue
		}
		ref := ch.ref
		r.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ref, Message: ref.String() + " of the failed release could not be deleted and stays", Err: ch.err})
	}
	for _, unit := range r.begun {
		if _, stays := r.left[unit]; !stays && r.homes[unit].release == 0 {
			removed = append(removed, unit)
		}
	}
	r.keptClaims(ctx, removed)
	r.dropClaims(ctx)
}

// dropClaims deletes what the failed releases of units that are back claimed and never
// got.
func (r *returning) dropClaims(ctx context.Context) {
	var back []string
	for _, unit := range r.begun {
		if _, stays := r.left[unit]; !stays && r.homes[unit].release > 0 && r.claimed(unit) {
			back = append(back, unit)
		}
	}
	if len(back) == 0 {
		return
	}
	claims, err := r.c.claims(ctx, back)
	if err != nil {
		return // they stay, as those do that hold something
	}
	for _, unit := range back {
		r.w.dropUnbound(ctx, r.unboundOf(unit, claims))
	}
}

// awaitHome waits until the units that have a release are healthy at it, each for
// itself: one that does not become healthy is no reason not to look at the others.
func (r *returning) awaitHome(ctx context.Context, targets []target) {
	var goals []goal
	for _, t := range targets {
		if _, stays := r.left[t.unit]; stays || t.part || r.homes[t.unit].release == 0 {
			continue
		}
		var objects []*unstructured.Unstructured
		for _, ch := range r.plan.of(t.unit) {
			switch {
			case ch.applied != nil:
				objects = append(objects, ch.applied)
			case ch.action == ActionUnchanged && ch.live != nil:
				objects = append(objects, ch.live)
			}
		}
		goals = append(goals, newGoal(t.unit, objects, false))
	}
	// A timeout that was short for going forward is none for coming back.
	timeout := r.timeout
	for _, g := range goals {
		if g.deadline(0) > timeout {
			timeout = 0
			break
		}
	}
	healths := make([][]unitHealth, len(goals))
	errs := make([]error, len(goals))
	_, _ = r.waitUnstuck(ctx, goals, func() ([]unitHealth, error) {
		g := &errgroup.Group{}
		for i := range goals {
			g.Go(func() error {
				healths[i], errs[i] = r.c.wait(ctx, r.em, r.watcher, goals[i:i+1], timeout)
				return nil
			})
		}
		return nil, g.Wait()
	})
	for i, g := range goals {
		for _, h := range healths[i] {
			r.unit(h.unit).Pods = h.pods
			if h.diagnosis != nil {
				errs[i] = fmt.Errorf("release %d is not healthy either: %s", r.homes[h.unit].release, h.diagnosis)
			}
		}
		if errs[i] != nil {
			r.stays(g.name, errs[i])
		}
	}
}

// resolve settles a conflict on the way back. A field that this deploy had
// changed is taken back by force. One that it had not is somebody else's
// decision of meanwhile: it is left to them, and said, so that it does not keep
// the rest from returning.
func (m *mover) resolve(ch *change, fields []string) *unstructured.Unstructured {
	var forward *unstructured.Unstructured
	for _, f := range m.plan.changes {
		if keyOf(f.ref) == keyOf(ch.ref) && f.applied != nil {
			forward = f.desired
		}
	}
	o := ch.desired.DeepCopy()
	for _, field := range fields {
		if identifies(field) {
			continue // whoever took it meant another object
		}
		i := slices.IndexFunc(ch.maybe, func(p fieldpath.Path) bool { return p.String() == field })
		if i < 0 {
			return nil
		}
		if p := ch.maybe[i]; forward == nil || !differs(forward, ch.desired, p) {
			if !removeAt(o.Object, p) {
				return nil
			}
			m.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ch.ref, Message: field + " was left to its other manager"})
		}
	}
	return o
}

func differs(a, b *unstructured.Unstructured, p fieldpath.Path) bool {
	va, okA := valueAt(a.Object, p)
	vb, okB := valueAt(b.Object, p)
	return okA != okB || !equality.Semantic.DeepEqual(va, vb)
}
