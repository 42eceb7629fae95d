package apply

import "slices"

// unit returns the unit's result. The pointer is good until the next call.
func (m *mover) unit(name string) *UnitResult {
	i := slices.IndexFunc(m.result.Units, func(u UnitResult) bool { return u.Name == name })
	if i < 0 {
		i = len(m.result.Units)
		m.result.Units = append(m.result.Units, UnitResult{Name: name})
	}
	return &m.result.Units[i]
}

// note keeps what a wait told about the units.
func (m *mover) note(healths []unitHealth) {
	for _, h := range healths {
		u := m.unit(h.unit)
		u.Pods, u.Took, u.Diagnosis = h.pods, h.took, h.diagnosis
	}
}

// noteUndo keeps what the way back did to the objects: it is what was done to
// them last.
func (m *mover) noteUndo(p *plan) {
	m.undone = map[string][]ObjectResult{}
	for _, ch := range p.changes {
		r := ch.result()
		switch r.Action {
		case ActionCreate, ActionUpdate, ActionReplace:
			r.Action = ActionRestore
		case ActionUnchanged:
			r.Done = true
		}
		m.undone[ch.unit] = append(m.undone[ch.unit], r)
	}
}

// fill completes the results of all units from what the call did.
func (m *mover) fill() {
	for _, t := range m.targets {
		u := m.unit(t.unit)
		m.fillUnit(u, t)
	}
	for _, name := range m.removals {
		u := m.unit(name)
		if u.Outcome != "" {
			continue
		}
		u.Outcome = m.result.Outcome
		switch u.Outcome {
		case Deployed:
			u.Outcome = Removed
		case RolledBack, Removed, Failed:
			u.Outcome = Refused // its turn did not come
		}
	}
	if m.snap != nil {
		m.result.Expires = m.snap.Expires[m.c.owner.Source]
	}
}

func (m *mover) fillUnit(u *UnitResult, t target) {
	moved := slices.Contains(m.moved, t.unit) && m.tried != nil
	if u.Outcome == "" {
		u.Outcome = m.result.Outcome
		if u.Outcome != Refused && m.tried != nil && !moved {
			u.Outcome = Unchanged
			u.Pods, _ = podsNow(m.found(t.unit))
		}
	}
	u.Images = images(t.objects)
	if m.snap != nil {
		if s := m.snap.Units[t.unit]; s != nil {
			u.Release, u.Previous = s.Release, s.Release
		}
	}
	if moved {
		u.Tried = m.tried[t.unit]
		u.Previous = m.before[t.unit].Healthy
	}
	switch {
	case m.undone[t.unit] != nil:
		u.Objects = m.undone[t.unit]
	case m.plan != nil:
		for _, ch := range m.plan.of(t.unit) {
			r := ch.result()
			r.Done = r.Done || r.Action == ActionUnchanged
			u.Objects = append(u.Objects, r)
		}
	}
	switch u.Outcome {
	case RolledBack, Removed:
		u.Release = m.homes[t.unit].release // also if the index could not be told
	}
	switch u.Outcome {
	case RolledBack, Refused:
		u.Images = images(m.homes[t.unit].target.objects)
	case Removed:
		u.Images = nil
	}
}
