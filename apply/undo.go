package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// backward ends a deploy that went wrong: cause says how. What was found out
// about units is noted already; nothing was undone yet.
func (m *mover) backward(ctx context.Context, cause error) error {
	m.result.Interrupted = ctx.Err() != nil
	m.blame(cause)
	var lost *LockLostError
	switch {
	case errors.As(cause, &lost):
		return cause // somebody else decides now
	case m.noRollback && m.result.Interrupted:
		m.leave(ctx)
		return cause
	}
	if m.result.Interrupted {
		m.em.emit(Event{Kind: EventInterrupted, Err: cause})
	}
	back, cancel := m.wayBack(ctx)
	defer cancel()
	if m.noRollback {
		return m.failed(back, cause, nil)
	}
	if err := m.undo(back); err != nil {
		if errors.Is(context.Cause(back), errAborted) || isUnreachable(err) || errors.As(err, &lost) {
			// The index still says that a deploy is under way, which is true of
			// what is there: the next one finds it without a holder.
			if errors.Is(context.Cause(back), errAborted) {
				err = errAborted
			}
			return &RolloutError{Outcome: Interrupted, Diagnoses: m.result.Diagnoses(), Err: err}
		}
		return m.failed(back, cause, err)
	}
	return m.returned(back, cause)
}

var errAborted = errors.New("stopped before everything was back")

// wayBack is the context of the way back: the caller's end does not end it, its
// abort and its own bound do.
func (m *mover) wayBack(ctx context.Context) (context.Context, context.CancelFunc) {
	bound := m.timeout
	for _, g := range m.goals() {
		bound = max(bound, g.deadline(m.timeout))
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), bound+2*time.Minute)
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-m.abort:
			cancel(errAborted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		stop()
		<-done
	}
}

// blame gives a failure that is not a unit's health (a conflict, a refused
// object) a diagnosis, so that every failed deploy names a unit and a cause.
func (m *mover) blame(cause error) {
	if errors.Is(cause, errNotHealthy) || m.result.Interrupted {
		return
	}
	for _, ch := range m.plan.changes {
		if ch.err != nil {
			m.unit(ch.unit).Diagnosis = diagnoseWrite(ch)
		}
	}
}

func diagnoseWrite(ch *change) *Diagnosis {
	d := &Diagnosis{Unit: ch.unit, Object: ch.ref, Code: CodeAdmissionDenied, Message: ch.err.Error()}
	var conflict *ConflictError
	var forbidden *ForbiddenError
	var invalid *InvalidError
	switch {
	case errors.As(ch.err, &conflict):
		d.Code = CodeConflict
	case errors.As(ch.err, &forbidden):
		d.Code = CodeForbidden
	case errors.As(ch.err, &invalid) && invalid.Immutable:
		d.Code = CodeImmutable
	case isUnreachable(ch.err):
		d.Code = CodeDeadlineExceeded
	}
	return d
}

// undo takes every moved unit home and waits until it is healthy there.
func (m *mover) undo(ctx context.Context) error {
	var targets []target
	var noWay error
	for _, unit := range slices.Backward(m.moved) {
		h := m.homes[unit]
		if h.err != nil {
			noWay = errors.Join(noWay, fmt.Errorf("%s: %w", unit, h.err))
			continue
		}
		m.em.emit(Event{Kind: EventRollback, Unit: unit, Release: h.release})
		targets = append(targets, h.target)
	}
	live, err := m.c.live(ctx, m.snap.Kinds)
	if err != nil {
		return errors.Join(noWay, err)
	}
	p := m.c.plan(targets, live)
	// The objects' record replaces what going forward planned: it is what was
	// last done to them.
	defer m.noteUndo(p)
	w := &writer{c: m.c, em: m.em, lock: m.lock, resolve: m.resolve, action: ActionRestore}
	if err := w.apply(ctx, p.changes); err != nil {
		return errors.Join(noWay, err)
	}
	if err := w.delete(ctx, p.changes); err != nil {
		return errors.Join(noWay, err)
	}
	if err := m.awaitHome(ctx, p, targets); err != nil {
		return errors.Join(noWay, err)
	}
	return noWay
}

// awaitHome waits until the units that have a release are healthy at it, and the
// pods of those that have none are gone.
func (m *mover) awaitHome(ctx context.Context, p *plan, targets []target) error {
	var goals []goal
	for _, t := range targets {
		if m.homes[t.unit].release == 0 {
			if err := m.c.awaitGone(ctx, m.watcher, t.unit, p.of(t.unit)); err != nil {
				return err
			}
			continue
		}
		var objects []*unstructured.Unstructured
		for _, ch := range p.of(t.unit) {
			switch {
			case ch.applied != nil:
				objects = append(objects, ch.applied)
			case ch.action == ActionUnchanged:
				objects = append(objects, ch.live)
			}
		}
		goals = append(goals, newGoal(t.unit, objects, false))
	}
	healths, err := m.c.wait(ctx, m.em, m.watcher, goals, m.timeout)
	var bad error
	for _, h := range healths {
		u := m.unit(h.unit)
		u.Pods = h.pods
		if h.diagnosis != nil {
			bad = errors.Join(bad, fmt.Errorf("release %d is not healthy either: %s", m.homes[h.unit].release, h.diagnosis))
		}
	}
	if errors.Is(err, errNotHealthy) {
		return bad
	}
	return err
}

// resolve settles a conflict on the way back. A field that this deploy had
// changed is taken back by force. One that it had not is somebody else's
// decision of meanwhile: it is left to them, and said, so that it does not keep
// the rest from returning.
func (m *mover) resolve(ch *change, fields []string) *unstructured.Unstructured {
	var forward *unstructured.Unstructured
	for _, f := range m.plan.changes {
		if f.ref == ch.ref && f.applied != nil {
			forward = f.desired
		}
	}
	o := ch.desired.DeepCopy()
	for _, field := range fields {
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

// returned records that every moved unit is home.
func (m *mover) returned(ctx context.Context, cause error) error {
	outcome := Removed
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.moved {
			u, h := ix.Units[unit], m.homes[unit]
			was := u.Release
			u.Release, u.At = h.release, now()
			u.State = StateDeployed
			how := RolledBack
			if h.release == 0 {
				u.State, how = StateRemoved, Removed
			}
			m.mark(unit, u, was, how, cause)
		}
	})
	if err != nil {
		return &RolloutError{Outcome: Interrupted, Diagnoses: m.result.Diagnoses(), Err: err}
	}
	for _, unit := range m.moved {
		m.unit(unit).Outcome = Removed
		if m.homes[unit].release > 0 {
			m.unit(unit).Outcome, outcome = RolledBack, RolledBack
		}
	}
	m.result.Outcome = outcome
	e := &RolloutError{Outcome: outcome, Diagnoses: m.result.Diagnoses()}
	if m.result.Interrupted {
		e.Err = fmt.Errorf("interrupted: %w", cause)
	} else if len(e.Diagnoses) == 0 {
		e.Err = cause
	}
	return e
}

// failed records that the units were left as they are.
func (m *mover) failed(ctx context.Context, cause, undoing error) error {
	ctx = context.WithoutCancel(ctx)
	m.result.Outcome = Failed
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.moved {
			u := ix.Units[unit]
			u.State, u.At = StateFailed, now()
			m.mark(unit, u, u.Release, Failed, cause)
		}
	})
	e := &RolloutError{Outcome: Failed, Diagnoses: m.result.Diagnoses(), Err: errors.Join(undoing, err)}
	if e.Err == nil && len(e.Diagnoses) == 0 {
		e.Err = cause
	}
	for _, unit := range m.moved {
		m.unit(unit).Outcome = Failed
	}
	return e
}

// mark writes into the history how a release ended. A rollback tried one that
// had been healthy before: its entry stays.
func (m *mover) mark(unit string, u *unitState, number int, how Outcome, cause error) {
	r := u.release(number)
	if r == nil || m.releases != nil {
		return
	}
	r.Outcome, r.Cause = how, cause.Error()
	if m.result.Interrupted {
		r.Cause = "interrupted"
		return
	}
	// A unit that was well returned because of another one.
	ds := m.result.Diagnoses()
	i := slices.IndexFunc(ds, func(d *Diagnosis) bool { return d.Unit == unit })
	if len(ds) > 0 {
		d := ds[max(i, 0)]
		r.Code, r.Cause = d.Code, d.String()
	}
}
