package apply

import "context"

// aimAnew finds where a rollback goes again, after somebody who moved the units
// changed the index since it was found; m.snap is from before. What it was to take
// back may have taken itself back: then the units stay where they are.
func (m *mover) aimAnew(ctx context.Context, req RollbackRequest) error {
	s := store{m.c}
	snap, err := s.read(ctx)
	if err != nil {
		return err
	}
	if m.arrivedMeanwhile(snap) {
		m.drops, m.finishes = nil, nil
		return nil
	}
	if req.To != 0 || req.DeployID != "" || !m.tookItselfBack(snap) {
		b, err := m.c.past(ctx, m.em, req)
		if err != nil {
			return err
		}
		m.targets, m.releases, m.drops, m.finishes = b.targets, b.releases, b.drops, b.finishes
		return nil
	}
	intents := map[string]*intent{}
	for i, t := range m.targets {
		u := snap.Units[t.unit]
		if m.targets[i], err = s.recordedTarget(ctx, intents, t.unit, u, u.Release); err != nil {
			return err
		}
		m.releases[t.unit] = u.Release
	}
	m.drops, m.finishes = nil, nil
	return nil
}

// arrivedMeanwhile reports whether the units are where this rollback was to take them:
// another one did that.
func (m *mover) arrivedMeanwhile(now *snapshot) bool {
	for _, t := range m.targets {
		if u := now.Units[t.unit]; !u.settled(m.id) || u.Release != m.releases[t.unit] {
			return false
		}
	}
	return true
}

// tookItselfBack reports whether a deploy of the units that ran when they were
// looked at has put all of them back since.
func (m *mover) tookItselfBack(now *snapshot) bool {
	for _, t := range m.targets {
		was, u := m.snap.Units[t.unit], now.Units[t.unit]
		if was == nil || was.State != StateDeploying || !u.settled(m.id) || u.Release != was.Healthy {
			return false
		}
	}
	return true
}
