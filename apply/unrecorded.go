package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Where the index was lost, objects are there of which no release is recorded. The
// deploy that begins their new history deletes none of them: nothing tells which are
// needed still. Those named by their content stay as long as its release is kept.

// stays are the objects that a deploy which begins a new history of a unit leaves,
// though it does not want them.
func (m *mover) stays(t target) []Ref {
	if !t.begins {
		return nil
	}
	begun := t
	begun.begins = false
	var out []Ref
	for _, ch := range m.c.unwanted(begun, m.plan.wants, m.live) {
		out = append(out, ch.ref)
	}
	return out
}

// heldBack are those of them that are named by their content.
func (m *mover) heldBack(t target) []Ref {
	return slices.DeleteFunc(m.stays(t), func(ref Ref) bool { return !isHashed(m.live[keyOf(ref)]) })
}

// warnUnrecorded says of which units no release is recorded, and what stays of them.
func (m *mover) warnUnrecorded() {
	var lost []string
	for _, t := range m.targets {
		if m.lost[t.unit] && m.releases == nil {
			lost = append(lost, t.unit)
		}
	}
	if len(lost) > 0 {
		m.em.emit(Event{Kind: EventWarning, Message: "no release is recorded of " + strings.Join(lost, ", ") + ", though they are there: a new history begins"})
	}
	for _, t := range m.targets {
		if left := m.stays(t); len(left) > 0 {
			m.em.emit(Event{Kind: EventWarning, Unit: t.unit, Message: fmt.Sprintf("left in place: %s: no recorded release has this, and the new one does not want it", names(left))})
		}
	}
	for unit, left := range m.strays() {
		m.em.emit(Event{Kind: EventWarning, Unit: unit, Message: fmt.Sprintf("left in place: %s: no release of %s is recorded; if it is not wanted any more: shipit delete %s", names(left), unit, unit)})
	}
}

// strays are the objects that are there of units which neither this deploy nor the
// index has.
func (m *mover) strays() map[string][]Ref {
	out := map[string][]Ref{}
	for _, o := range m.live {
		unit := unitOf(o)
		if m.snap.Units[unit] != nil || slices.Contains(unitsOf(m.targets), unit) {
			continue
		}
		if entry(o, m.c.owner.Manager()) != nil && !keepsData(refOf(o)) && o.GetDeletionTimestamp() == nil {
			out[unit] = append(out[unit], refOf(o))
		}
	}
	for _, refs := range out {
		slices.SortFunc(refs, compareRefs)
	}
	return out
}

// beganUnrecorded reports whether a unit that never was healthy since its history
// began was there before: a way back that removed it would take more than what was
// deployed since.
func (m *mover) beganUnrecorded(ctx context.Context, intents map[string]*intent, unit string, u *unitState) (bool, error) {
	if len(u.Releases) == 0 {
		return false, nil
	}
	first := slices.MinFunc(u.Releases, func(a, b releaseState) int { return a.Number - b.Number })
	in := intents[first.Deploy]
	if in == nil {
		var err error
		if in, err = (store{m.c}).intent(ctx, first.Deploy); err != nil {
			return false, err
		}
		intents[first.Deploy] = in
	}
	own := in.Units[unit]
	if own.foundMore() {
		return true, nil
	}
	// Beside the others its data, or the words of the namespace, were there, too.
	namespace := func(o map[string]any) bool { return o["kind"] == namespaceKind.Kind }
	if len(own.Found) == 0 && !slices.ContainsFunc(own.Objects, namespace) {
		return false, nil
	}
	for _, other := range in.Units {
		if other.Release == 1 && other.foundMore() {
			return true, nil
		}
	}
	return false, nil
}

// foundMore reports whether more of the unit was there than its data.
func (u intentUnit) foundMore() bool {
	return slices.ContainsFunc(u.Found, func(ref Ref) bool { return !keepsData(ref) })
}

// unrecorded finds the units that are there without an index, by the labels of their
// objects, and writes them into snap.
func (c *Client) unrecorded(ctx context.Context, snap *snapshot) ([]string, error) {
	snap.Kinds = c.kinds.usual()
	live, err := c.live(ctx, snap.Kinds)
	if err != nil {
		return nil, err
	}
	if _, err := c.recall(ctx, &snap.index, live); err != nil {
		return nil, err
	}
	for _, o := range live {
		if entry(o, c.owner.Manager()) != nil && !keepsData(refOf(o)) {
			snap.Units[unitOf(o)] = &unitState{State: StateUnrecorded}
		}
	}
	return slices.Sorted(maps.Keys(snap.Units)), nil
}

// leftBehind are the state objects that are there without an index.
func (c *Client) leftBehind(ctx context.Context) ([]Ref, error) {
	s := store{c}
	records, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	leases, err := c.listLeases(ctx)
	if err != nil {
		return nil, err
	}
	var out []Ref
	for _, r := range records {
		out = append(out, s.ref(r.name))
	}
	for i := range leases {
		if c.isDead(&leases[i]) || longStill(&leases[i], time.Now()) {
			out = append(out, leaseRef(c, leases[i].Name))
		}
	}
	slices.SortFunc(out, compareRefs)
	return out, nil
}
