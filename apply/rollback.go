package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Rollback moves units back to a release of their history: the recorded objects
// are applied, what the release does not have is deleted, and the units are
// waited for. It may end as a Deploy may; a unit that does not become healthy
// returns to where it was. What no record has, the values of a Secret, must
// still be there: else it is refused with a GoneError.
func (c *Client) Rollback(ctx context.Context, req RollbackRequest, sink func(Event)) (*Result, error) {
	return c.call(ctx, sink, func(ctx context.Context, em *emitter) (*Result, error) {
		if req.To != 0 && req.DeployID != "" {
			return &Result{Outcome: Refused}, fmt.Errorf("a rollback goes to a release or to a deploy, not to both")
		}
		// To return is worth waiting for: the server may be what is wrong.
		ctx = patientUntil(ctx, time.Now().Add(wayBackFor))
		b, err := c.past(ctx, em, req)
		if err != nil {
			return &Result{Outcome: Refused}, err
		}
		m := &mover{
			c: c, em: em, id: newDeployID(), targets: b.targets, releases: b.releases, drops: b.drops, finishes: b.finishes,
			force: req.Force, timeout: req.Timeout, lockWait: req.LockWait, abort: req.Abort,
		}
		m.revisit = func(ctx context.Context) error { return m.aimAnew(ctx, req) }
		return m.run(ctx)
	})
}

// destination is where a rollback goes.
type destination struct {
	targets  []target
	releases map[string]int // of the targets
	drops    []string       // units that go: what is taken back made them
	finishes []finish
}

// finish is a rollback that was stopped half-way and that another one brings to its
// end, for one unit.
type finish struct {
	unit, deploy, by string
	release          int
	ended            bool // nothing is left to do, but to record that
}

// past finds the recorded releases that a request means.
func (c *Client) past(ctx context.Context, em *emitter, req RollbackRequest) (*destination, error) {
	s := store{c}
	snap, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := c.stopped(ctx, &snap)
	if err != nil {
		return nil, err
	}
	names, err := c.named(&snap.index, req.Units)
	if err != nil {
		return nil, err
	}
	if len(req.Units) == 0 {
		ours, others := snap.ofSource(names, c.owner.Source)
		if len(ours) == 0 && len(others) > 0 {
			return nil, snap.notOurs(c.owner, others)
		}
		names = ours
		leftAlone(em, others)
	}
	intents := map[string]*intent{}
	past := s.pastRecords(ctx, intents)
	aims, err := s.aims(ctx, snap, names, dead, req, past)
	if err == nil && len(req.Units) == 0 && req.To == 0 {
		err = c.wholly(snap, aims, req.DeployID, past)
	}
	if err != nil {
		return nil, err
	}
	b := &destination{releases: map[string]int{}}
	var none error
	for _, name := range slices.Sorted(maps.Keys(aims)) {
		u, a := snap.Units[name], aims[name]
		if len(req.Units) == 0 && req.To == 0 && req.DeployID == "" && a.release == 0 {
			b.drops = append(b.drops, name)
			continue
		}
		if u.release(a.release) == nil {
			none = &NoReleaseError{Unit: name, Release: a.release, DeployID: req.DeployID}
			if len(req.Units) > 0 {
				return nil, none
			}
			continue // of all units, those that have one return
		}
		t, err := s.recordedTarget(ctx, intents, name, u, a.release)
		if err != nil {
			return nil, err
		}
		b.targets, b.releases[name] = append(b.targets, t), a.release
		if a.stopped != "" {
			b.finishes = append(b.finishes, finish{unit: name, deploy: a.stopped, by: u.By, release: a.release, ended: a.ended})
		}
	}
	switch {
	case len(b.targets) > 0:
		if err := disputed(b.targets, b.releases); err != nil {
			return nil, err
		}
		return b, c.rewrite(ctx, b)
	case len(b.drops) > 0:
		return nil, &NoReleaseError{Unit: b.drops[0]}
	case none == nil:
		none = &NothingDeployedError{App: c.owner.App, Namespace: c.owner.Namespace}
	}
	return nil, none
}

// wholly returns a RemovedError when what a rollback is to return to, without naming any
// units, had some that are gone since.
func (c *Client) wholly(snap *snapshot, aims map[string]aim, deploy string, past pastRecords) error {
	e := &RemovedError{DeployID: deploy}
	if deploy == "" {
		var err error
		if e.Units, e.By, err = snap.lastRemoved(aims, c.owner.Source, past); err != nil {
			return err
		}
	} else {
		in, err := past.intent(deploy)
		if err != nil || in == nil {
			return err
		}
		e.Units = snap.missing(slices.Sorted(maps.Keys(in.Units)))
	}
	if len(e.Units) == 0 {
		return nil
	}
	e.Others = slices.Sorted(maps.Keys(aims))
	return e
}

// aims says which of names move, and to which release each is to return.
func (s store) aims(ctx context.Context, snap *snapshot, names []string, dead map[string]bool, req RollbackRequest, past pastRecords) (map[string]aim, error) {
	if req.To == 0 && req.DeployID == "" && len(req.Units) == 0 {
		return snap.lastAims(names, dead, past)
	}
	var in *intent
	if req.DeployID != "" {
		if !snap.refersTo(req.DeployID) {
			return nil, &NoDeployError{DeployID: req.DeployID}
		}
		var err error
		if in, err = s.intent(ctx, req.DeployID); err != nil {
			return nil, err
		}
	}
	out := map[string]aim{}
	for _, name := range names {
		to := aim{release: req.To}
		if in != nil {
			to.release = in.Units[name].Release
		}
		if in == nil && req.To == 0 || snap.Units[name].State == StateDeploying {
			a, err := snap.aim(name, past)
			if err != nil {
				return nil, err
			}
			if in == nil && req.To == 0 || a.release == to.release {
				to = a
			}
		}
		out[name] = to
	}
	return out, nil
}

// stillRecorded returns an error when another deploy dropped a release that this
// rollback goes to from the history, or removed its unit, while this one waited.
func (m *mover) stillRecorded() error {
	for _, name := range slices.Sorted(maps.Keys(m.releases)) {
		if u := m.snap.Units[name]; u == nil || u.release(m.releases[name]) == nil {
			return &NoReleaseError{Unit: name, Release: m.releases[name]}
		}
	}
	return nil
}

// tellFinishes says which stopped rollbacks this one goes on with.
func (m *mover) tellFinishes() {
	for _, f := range m.finishes {
		m.result.Finishes = f.deploy
		stopped := &LockedError{Holder: f.by, DeployID: f.deploy}
		m.em.emit(Event{Kind: EventFinish, Unit: f.unit, Release: f.release, Message: stopped.holder()})
	}
}

// endFinished records of the rollbacks that had reached their end when they were
// stopped that they did: the next one goes further.
func (m *mover) endFinished(ctx context.Context, failure error) {
	if failure != nil {
		return
	}
	ended := map[string]*Result{}
	for _, f := range m.finishes {
		if !f.ended {
			continue
		}
		if ended[f.deploy] == nil {
			ended[f.deploy] = &Result{DeployID: f.deploy, Outcome: Deployed}
		}
		ended[f.deploy].Units = append(ended[f.deploy].Units, UnitResult{Name: f.unit, Outcome: Deployed, Release: f.release, Tried: f.release})
	}
	for _, deploy := range slices.Sorted(maps.Keys(ended)) {
		m.putOutcome(ctx, ended[deploy], nil)
	}
}

// previous is the newest healthy release before the current one; 0 if there is
// none.
func (u *unitState) previous() int {
	for _, r := range u.Releases {
		if r.Number < u.Release && r.Outcome == Deployed {
			return r.Number
		}
	}
	return 0
}

// units are all that have a release, in order.
func (ix *index) units() []string {
	var known []string
	for name, u := range ix.Units {
		if u.Last > 0 {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	return known
}

// named returns the wanted units, or all that have a release, in order. The error
// is a NothingDeployedError or an UnknownUnitError.
func (c *Client) named(ix *index, want []string) ([]string, error) {
	known := ix.units()
	if len(want) == 0 {
		return known, nil
	}
	if len(known) == 0 {
		return nil, &NothingDeployedError{App: c.owner.App, Namespace: c.owner.Namespace}
	}
	for _, name := range want {
		if !slices.Contains(known, name) {
			return nil, &UnknownUnitError{Unit: name, Known: known}
		}
	}
	names := slices.Clone(want)
	slices.Sort(names)
	return slices.Compact(names), nil
}
