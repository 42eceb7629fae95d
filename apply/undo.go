package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
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
	var terminating *TerminatingError
	switch {
	case len(m.begun) == 0:
		return m.untouched(ctx, cause)
	case errors.As(cause, &terminating):
		return m.doomed(ctx, terminating)
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
		left := map[string]error{}
		for _, unit := range m.begun {
			left[unit] = nil
		}
		return m.finish(back, cause, left)
	}
	left, err := m.undo(back)
	if err != nil {
		// The index still says that a deploy is under way, which is true of
		// what is there: the next one finds it without a holder.
		return &RolloutError{Outcome: Interrupted, Diagnoses: m.result.Diagnoses(), Err: err}
	}
	return m.finish(back, cause, left)
}

var errAborted = errors.New("stopped before everything was back")

// wayBackFor is how long what is asked and written on the way back is tried again at
// least, whatever keeps the server from answering.
const wayBackFor = 2 * time.Minute

// wayBack is the context of the way back: the caller's end does not end it, its
// abort and its own bound do. It is as patient as the deadline of what it restores,
// and leaves that once more for becoming healthy.
func (m *mover) wayBack(ctx context.Context) (context.Context, context.CancelFunc) {
	bound := max(m.timeout, wayBackFor)
	for _, t := range m.targets {
		home := newGoal(t.unit, m.homes[t.unit].target.objects, false)
		bound = max(bound, m.goal(t).deadline(0), t.deadline, home.deadline(0))
	}
	ctx, stop := context.WithTimeout(patientUntil(context.WithoutCancel(ctx), time.Now().Add(bound)), 2*bound+deleteTimeout)
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

// finish records how each unit that was begun ended: home, or, those of left, as it
// is, with the error that kept it from returning.
func (m *mover) finish(ctx context.Context, cause error, left map[string]error) error {
	ctx = context.WithoutCancel(ctx)
	m.forget(left)
	if len(m.begun) == 0 {
		return m.untouched(ctx, cause)
	}
	outcome := m.conclude(left)
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.begun {
			u := ix.Units[unit]
			was, how := u.Release, m.unit(unit).Outcome
			if how == Failed {
				u.State, u.At = StateFailed, now()
			} else {
				u.goHome(m.before[unit], m.homes[unit].release)
			}
			m.ended(unit, u, was, how, cause)
		}
		m.restore(ix)
	})
	e := &RolloutError{Outcome: outcome, Diagnoses: m.result.Diagnoses()}
	for _, unit := range slices.Sorted(maps.Keys(left)) {
		if left[unit] != nil {
			e.Err = errors.Join(e.Err, fmt.Errorf("%s: %w", unit, left[unit]))
		}
	}
	if err != nil {
		e.Outcome, e.Err = Interrupted, errors.Join(e.Err, err)
		return e
	}
	m.result.Outcome = outcome
	switch {
	case e.Err != nil:
	case m.result.Interrupted:
		e.Err = fmt.Errorf("interrupted: %w", cause)
	case len(e.Diagnoses) == 0:
		e.Err = cause
	}
	return e
}

// forget takes the units that stay out of what was begun of which nothing was
// written after all: they are as they were.
func (m *mover) forget(left map[string]error) {
	m.begun = slices.DeleteFunc(m.begun, func(unit string) bool {
		_, stays := left[unit]
		if !stays || slices.ContainsFunc(m.plan.of(unit), (*change).touched) {
			return false
		}
		delete(left, unit)
		delete(m.undone, unit)
		return true
	})
}

// touched reports whether the object was changed, or may have been: the answer did
// not arrive.
func (ch *change) touched() bool {
	return ch.action != ActionUnchanged && (ch.done || isPassing(ch.err))
}

// conclude sets how each unit ended, and returns how the deploy did. A unit whose
// turn did not come was not touched; one that was only waited for is not healthy.
func (m *mover) conclude(left map[string]error) Outcome {
	outcome := Removed
	for _, t := range m.targets {
		u := m.unit(t.unit)
		_, stays := left[t.unit]
		switch {
		case slices.Contains(m.begun, t.unit):
			u.Outcome = Removed
			if stays {
				u.Outcome = Failed
			} else if m.homes[t.unit].release > 0 {
				u.Outcome, outcome = RolledBack, RolledBack
			}
		case slices.Contains(m.moved, t.unit):
			u.Outcome = Refused
		case u.Diagnosis != nil:
			u.Outcome = Failed
		}
	}
	if len(left) > 0 {
		return Failed
	}
	return outcome
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
	r.Outcome, r.Cause = how, m.c.secrets.Text(cause.Error())
	if m.result.Interrupted {
		r.Cause = "interrupted"
		return
	}
	// A unit that was well returned because of another one.
	ds := m.result.Diagnoses()
	i := slices.IndexFunc(ds, func(d *Diagnosis) bool { return d.Unit == unit })
	if len(ds) > 0 {
		d := ds[max(i, 0)]
		r.Code, r.Cause = d.Code, m.c.maskedDiagnosis(d).String()
	}
}
