package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// arrive records that everything is where it should be, and prunes history. A unit
// that could not be removed stays in the index, and the deploy has failed; one of
// which something is still being deleted is removed, and that is a warning.
func (m *mover) arrive(ctx context.Context) error {
	caller := ctx
	ctx, cancel := m.wayBack(ctx)
	defer cancel()
	kept, err := m.removeAbandoned(ctx, caller)
	m.refusedRoutes(ctx)
	m.remark()
	settled := m.settle(ctx, func(ix *index) {
		for _, unit := range m.moved {
			ix.Units[unit].arrived(m.releases == nil)
		}
		for _, unit := range m.removals {
			if slices.Contains(kept, unit) {
				ix.Units[unit].State = StateFailed // the next deploy tries again
			} else {
				delete(ix.Units, unit)
			}
		}
	})
	if settled != nil {
		return settled
	}
	m.result.Outcome = Deployed
	for _, unit := range m.moved {
		m.unit(unit).Outcome = Deployed
	}
	if err != nil {
		m.result.Outcome = Failed
		return &RolloutError{Outcome: Failed, Err: err}
	}
	return nil
}

// removeAbandoned removes the units that are no targets any more. It returns those
// that are still there, and why. The caller's end ends only the waiting.
func (m *mover) removeAbandoned(ctx, caller context.Context) (kept []string, failed error) {
	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(caller, cancel)()
	m.awaitFinalized(waits)
	errs := m.removeUnits(ctx, waits, m.removals)
	for _, unit := range m.removals {
		var deleting *DeletingError
		switch err := errs[unit]; {
		case errors.As(err, &deleting):
			m.em.emit(Event{Kind: EventWarning, Unit: unit, Message: "it is removed, but not everything of it is gone", Err: err})
			m.unit(unit).Outcome = Removed
		case err != nil:
			kept, failed = append(kept, unit), errors.Join(failed, fmt.Errorf("%s was not removed: %w", unit, err))
			m.unit(unit).Outcome = Failed
		default:
			m.unit(unit).Outcome = Removed
		}
	}
	m.keptClaims(ctx, m.removals)
	return kept, failed
}

// arrived marks the unit as healthy at its release.
func (u *unitState) arrived(fresh bool) {
	u.State, u.Healthy, u.At = StateDeployed, u.Release, now()
	if r := u.release(u.Release); r != nil && fresh {
		r.Outcome = Deployed
	}
}

// clean deletes what is not wanted any more of the units that are healthy at
// their new releases. What only a release refers to that the history will drop
// goes with it, before the index forgets it.
func (m *mover) clean(ctx context.Context, w *writer) error {
	for _, t := range m.targets {
		if !slices.Contains(m.moved, t.unit) {
			continue
		}
		u := m.snap.Units[t.unit].clone()
		u.arrived(m.releases == nil)
		u.trim()
		t.retained = u.retained()
		planned := m.plan.of(t.unit)
		for _, ch := range m.c.unwanted(t, m.plan.wants, m.live) {
			if !slices.ContainsFunc(planned, func(p *change) bool { return keyOf(p.ref) == keyOf(ch.ref) }) {
				m.plan.changes = append(m.plan.changes, ch)
			}
		}
	}
	m.cleaned = true
	return w.delete(ctx, m.movedChanges())
}

// settle writes the end of the deploy into the index, lets the units go, and
// deletes the records that nothing refers to.
func (m *mover) settle(ctx context.Context, change func(*index)) error {
	s := store{m.c}
	var listed []stateSecret
	var snap *snapshot
	again := false
	w := newWriter(m.c, m.em, m.lock)
	err := w.retry(ctx, func(ctx context.Context) (err error) {
		if listed, err = s.records(ctx); err != nil {
			return err
		}
		from := m.snap
		if again {
			// The answer to the first attempt did not arrive.
			if snap, err = s.read(ctx); err == nil && snap.version != "" && m.lock.free(&snap.index) {
				return nil
			}
			from = nil
		}
		again = true
		m.rewrite(ctx, listed)
		snap, err = m.lock.swap(ctx, m.em, m.snap, from, func(ix *index) error {
			change(ix)
			m.remember(ix)
			m.noteLeft(ix)
			m.lock.unlock(ix)
			m.closeHistory(ix)
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	m.snap = snap
	m.recorded = m.snap.refersTo(m.id)
	if err := s.sweep(ctx, listed, &m.snap.index); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "an old record could not be removed; the next deploy tries again", Err: err})
	}
	return nil
}

// closeHistory says of the deploys that were taken over how they ended, and
// drops what is too old.
func (m *mover) closeHistory(ix *index) {
	for name, u := range ix.Units {
		for i := range u.Releases {
			if r := &u.Releases[i]; r.Outcome == "" && slices.Contains(m.lock.dead, r.Deploy) {
				r.Outcome, r.Cause = Interrupted, "taken over by deploy "+m.id
			}
		}
		if m.cleaned && slices.Contains(m.moved, name) {
			u.trim()
		} else {
			u.trimFailed()
		}
	}
	if len(m.begun) > 0 || len(m.removals) > 0 {
		ix.Recent = slices.Insert(ix.Recent, 0, m.id)
		ix.Recent = ix.Recent[:min(len(ix.Recent), keepReleases)]
	}
}

// writeOutcome records how the deploy ended, if the index has it: what was
// refused, or taken over by another, leaves no record of its own.
func (m *mover) writeOutcome(ctx context.Context, failure error) {
	if m.recorded {
		m.putOutcome(ctx, m.result, failure)
	}
}

func (m *mover) putOutcome(ctx context.Context, res *Result, failure error) {
	s := store{m.c}
	r := m.c.outcomeRecord(res, failure)
	ctx, cancel := hurry(context.WithoutCancel(ctx), retryFor)
	defer cancel()
	if err := s.put(ctx, outcomeType, s.outcomeName(res.DeployID), "outcome", res.DeployID, r, usual); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "how this ended is recorded, but its details could not be", Err: err})
	}
}

func (c *Client) outcomeRecord(res *Result, failure error) *outcomeRecord {
	r := &outcomeRecord{
		header: c.header(), Deploy: res.DeployID, App: c.owner.App, Namespace: c.owner.Namespace,
		Outcome: res.Outcome, Interrupted: res.Interrupted, At: now(), TookMillis: res.Took.Milliseconds(),
		Units: []outcomeUnit{},
	}
	if failure != nil {
		r.Error = c.secrets.Text(failure.Error())
	}
	for _, u := range res.Units {
		ou := outcomeUnit{
			Name: u.Name, Outcome: u.Outcome, Release: u.Release, Tried: u.Tried, Previous: u.Previous,
			Pods: u.Pods, TookMillis: int64(u.Took / time.Millisecond), Diagnosis: c.maskedDiagnosis(u.Diagnosis),
		}
		for _, o := range u.Objects {
			if o.Action == ActionUnchanged {
				continue
			}
			oo := outcomeObject{Object: o.Object, Action: o.Action, Done: o.Done, Fields: o.Fields}
			if o.Err != nil {
				oo.Error = c.secrets.Text(o.Err.Error())
			}
			ou.Objects = append(ou.Objects, oo)
		}
		r.Units = append(r.Units, ou)
	}
	return r
}
