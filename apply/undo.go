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
	var lost *LockLostError
	if errors.As(cause, &lost) {
		return cause // somebody else decides now
	}
	m.blame(cause)
	switch {
	case len(m.begun) == 0:
		return m.untouched(ctx, cause)
	case m.noRollback && m.result.Interrupted:
		m.letGo(ctx)
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
	for _, t := range m.targets {
		bound = max(bound, m.goal(t).deadline(0), t.deadline)
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
	found := denials(m.plan.changes)
	for _, ch := range m.plan.changes {
		if ch.err != nil && !isDenied(ch.err) {
			found = append(found, diagnoseWrite(ch))
		}
	}
	for _, d := range found {
		if u := m.unit(d.Unit); u.Diagnosis == nil {
			u.Diagnosis = d
			m.em.emit(Event{Kind: EventFailed, Unit: d.Unit, Diagnosis: d})
		}
	}
}

func diagnoseWrite(ch *change) *Diagnosis {
	d := &Diagnosis{Unit: ch.unit, Object: ch.ref, Code: CodeAdmissionDenied, Message: ch.err.Error()}
	var conflict *ConflictError
	var forbidden *ForbiddenError
	var invalid *InvalidError
	var secret *SecretNotMadeError
	var deleting *DeletingError
	if hinter, ok := ch.err.(interface{ Hint() string }); ok {
		d.Hint = hinter.Hint()
	}
	switch {
	case errors.As(ch.err, &secret):
		d.Code, d.Field = CodeConfigMissing, "secrets"
	case errors.As(ch.err, &conflict):
		d.Code = CodeConflict
	case errors.As(ch.err, &forbidden):
		d.Code = CodeForbidden
	case errors.As(ch.err, &invalid) && invalid.Immutable:
		d.Code = CodeImmutable
	case isUnreachable(ch.err), errors.As(ch.err, &deleting):
		d.Code = CodeDeadlineExceeded
	}
	return d
}

// undo takes every unit that was begun home, those that need others before
// those they need, and waits until all are healthy there. Nothing waits between:
// an old release may need the old release of what it needs.
func (m *mover) undo(ctx context.Context) error {
	var targets []target
	var noWay error
	for _, level := range slices.Backward(levels(m.begun, m.edges)) {
		for _, unit := range level {
			h := m.homes[unit]
			if h.err != nil {
				noWay = errors.Join(noWay, fmt.Errorf("%s: %w", unit, h.err))
				continue
			}
			targets = append(targets, h.target)
		}
	}
	live, err := m.c.live(ctx, m.snap.Kinds)
	if err != nil {
		return errors.Join(noWay, err)
	}
	p := m.c.plan(targets, live)
	// The objects' record replaces what going forward planned: it is what was
	// last done to them.
	defer m.noteUndo(p)
	w := newWriter(m.c, m.em, m.lock)
	w.resolve, w.action = m.resolve, ActionRestore
	for _, level := range slices.Backward(levels(unitsOf(targets), m.edges)) {
		var changes []*change
		for _, unit := range level {
			m.em.emit(Event{Kind: EventRollback, Unit: unit, Release: m.homes[unit].release})
			changes = append(changes, p.of(unit)...)
		}
		err := w.apply(ctx, ctx, changes)
		if err == nil {
			err = w.delete(ctx, changes)
		}
		if err != nil {
			return errors.Join(noWay, err)
		}
	}
	if err := m.awaitHome(ctx, p, targets); err != nil {
		return errors.Join(noWay, err)
	}
	var removed []string
	for _, t := range targets {
		if m.homes[t.unit].release == 0 {
			removed = append(removed, t.unit)
		}
	}
	m.keptClaims(ctx, removed)
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
	// A timeout that was short for going forward is none for coming back.
	timeout := m.timeout
	for _, g := range goals {
		if g.deadline(0) > timeout {
			timeout = 0
			break
		}
	}
	healths, err := m.waitUnstuck(ctx, goals, func() ([]unitHealth, error) {
		return m.c.wait(ctx, m.em, m.watcher, goals, timeout)
	})
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

// untouched ends a deploy that wrote nothing: a unit that was to stay as it is
// is not healthy, or the caller ended first.
func (m *mover) untouched(ctx context.Context, cause error) error {
	m.leave(ctx)
	m.result.Outcome = Refused
	if !errors.Is(cause, errNotHealthy) {
		return cause
	}
	for i := range m.result.Units {
		if u := &m.result.Units[i]; u.Diagnosis != nil {
			u.Outcome = Failed
		}
	}
	m.result.Outcome = Failed
	return &RolloutError{Outcome: Failed, Diagnoses: m.result.Diagnoses()}
}

// returned records that every unit that was begun is home.
func (m *mover) returned(ctx context.Context, cause error) error {
	outcome := Removed
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.begun {
			u, h := ix.Units[unit], m.homes[unit]
			was := u.Release
			u.Release, u.At = h.release, now()
			u.State = StateDeployed
			how := RolledBack
			if h.release == 0 {
				u.State, how = StateRemoved, Removed
			}
			m.ended(unit, u, was, how, cause)
		}
		m.restore(ix)
	})
	if err != nil {
		return &RolloutError{Outcome: Interrupted, Diagnoses: m.result.Diagnoses(), Err: err}
	}
	for _, unit := range m.begun {
		m.unit(unit).Outcome = Removed
		if m.homes[unit].release > 0 {
			m.unit(unit).Outcome, outcome = RolledBack, RolledBack
		}
	}
	m.conclude(outcome)
	e := &RolloutError{Outcome: outcome, Diagnoses: m.result.Diagnoses()}
	if m.result.Interrupted {
		e.Err = fmt.Errorf("interrupted: %w", cause)
	} else if len(e.Diagnoses) == 0 {
		e.Err = cause
	}
	return e
}

// failed records that the units that were begun were left as they are.
func (m *mover) failed(ctx context.Context, cause, undoing error) error {
	ctx = context.WithoutCancel(ctx)
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.begun {
			u := ix.Units[unit]
			u.State, u.At = StateFailed, now()
			m.ended(unit, u, u.Release, Failed, cause)
		}
		m.restore(ix)
	})
	if err != nil {
		return &RolloutError{Outcome: Interrupted, Diagnoses: m.result.Diagnoses(), Err: errors.Join(undoing, err)}
	}
	e := &RolloutError{Outcome: Failed, Diagnoses: m.result.Diagnoses(), Err: undoing}
	if e.Err == nil && len(e.Diagnoses) == 0 {
		e.Err = cause
	}
	for _, unit := range m.begun {
		m.unit(unit).Outcome = Failed
	}
	m.conclude(Failed)
	return e
}

// conclude sets how the deploy ended. A unit whose turn did not come was not
// touched; one that was only waited for is not healthy.
func (m *mover) conclude(outcome Outcome) {
	m.result.Outcome = outcome
	for _, t := range m.targets {
		u := m.unit(t.unit)
		switch {
		case slices.Contains(m.begun, t.unit):
		case slices.Contains(m.moved, t.unit):
			u.Outcome = Refused
		case u.Diagnosis != nil:
			u.Outcome = Failed
		}
	}
}

// restore puts the units that were not begun back to what the index said before:
// their new release never was.
func (m *mover) restore(ix *index) {
	for _, unit := range m.moved {
		u := ix.Units[unit]
		if u == nil || slices.Contains(m.begun, unit) || u.Deploy != m.id {
			continue
		}
		was := unitState{State: StateRemoved}
		if before := m.before[unit]; before != nil {
			was = *before
		}
		if m.releases == nil {
			u.Releases = slices.DeleteFunc(u.Releases, func(r releaseState) bool { return r.Deploy == m.id })
		}
		u.Source, u.State, u.Release, u.Deploy, u.At, u.By, u.Last = was.Source, was.State, was.Release, was.Deploy, was.At, was.By, was.Last
	}
}

// ended writes into the history how a release ended. A rollback tried one that
// had been healthy before: its entry stays.
func (m *mover) ended(unit string, u *unitState, number int, how Outcome, cause error) {
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
