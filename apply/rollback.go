package apply

import (
	"context"
	"fmt"
	"slices"
)

// Rollback moves units back to a release of their history: the recorded objects
// are applied, what the release does not have is deleted, and the units are
// waited for. It may end as a Deploy may; a unit that does not become healthy
// returns to where it was. What no record has, the values of a Secret, must
// still be there: else it is refused with a GoneError.
func (c *Client) Rollback(ctx context.Context, req RollbackRequest, sink func(Event)) (*Result, error) {
	return call(ctx, sink, func(ctx context.Context, em *emitter) (*Result, error) {
		if req.To != 0 && req.DeployID != "" {
			return &Result{Outcome: Refused}, fmt.Errorf("a rollback goes to a release or to a deploy, not to both")
		}
		targets, releases, err := c.past(ctx, em, req)
		if err != nil {
			return &Result{Outcome: Refused}, err
		}
		m := &mover{
			c: c, em: em, id: newDeployID(), targets: targets, releases: releases,
			force: req.Force, timeout: req.Timeout, lockWait: req.LockWait, abort: req.Abort,
		}
		return m.run(ctx)
	})
}

// past finds the recorded releases that a request means.
func (c *Client) past(ctx context.Context, em *emitter, req RollbackRequest) ([]target, map[string]int, error) {
	s := store{c}
	snap, err := s.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, err := c.named(&snap.index, req.Units)
	if err != nil {
		return nil, nil, err
	}
	if len(req.Units) == 0 {
		ours, others := snap.ofSource(names, c.owner.Source)
		if len(ours) == 0 && len(others) > 0 {
			return nil, nil, snap.notOurs(c.owner, others)
		}
		names = ours
		leftAlone(em, others)
		if req.To == 0 && req.DeployID == "" {
			names = snap.movedLast(names)
		}
	}
	to, err := s.wanted(ctx, snap, req)
	if err != nil {
		return nil, nil, err
	}
	var targets []target
	releases := map[string]int{}
	intents := map[string]*intent{}
	var none error
	for _, name := range names {
		u := snap.Units[name]
		number := to(name, u)
		if number == 0 || u.release(number) == nil {
			none = &NoReleaseError{Unit: name, Release: number, DeployID: req.DeployID}
			if len(req.Units) > 0 {
				return nil, nil, none
			}
			continue // of all units, those that have one return
		}
		t, err := s.recordedTarget(ctx, intents, name, u, number)
		if err != nil {
			return nil, nil, err
		}
		targets, releases[name] = append(targets, t), number
	}
	if len(targets) == 0 {
		if none == nil {
			none = &NothingDeployedError{App: c.owner.App, Namespace: c.owner.Namespace}
		}
		return nil, nil, none
	}
	return targets, releases, nil
}

// movedLast are those of the units that the newest deploy or rollback moved.
func (ix *index) movedLast(names []string) []string {
	var last *unitState
	for _, name := range names {
		if u := ix.Units[name]; last == nil || u.At.After(last.At) {
			last = u
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return ix.Units[name].Deploy != last.Deploy })
}

// wanted tells which release each unit is to return to; 0 is none.
func (s store) wanted(ctx context.Context, snap *snapshot, req RollbackRequest) (func(string, *unitState) int, error) {
	switch {
	case req.To != 0:
		return func(string, *unitState) int { return req.To }, nil
	case req.DeployID == "":
		return func(_ string, u *unitState) int { return u.previous() }, nil
	case !snap.refersTo(req.DeployID):
		return nil, &NoDeployError{DeployID: req.DeployID}
	}
	in, err := s.intent(ctx, req.DeployID)
	if err != nil {
		return nil, err
	}
	return func(name string, _ *unitState) int { return in.Units[name].Release }, nil
}

// previous is the newest healthy release before the current one; 0 if there is
// none. Of a unit whose current release is not healthy it is the last healthy.
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
