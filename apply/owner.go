package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An object belongs to the unit whose labels it carries, and moves to another one
// when that is applied with it. Who had it before must not delete it then, and gets
// it back when the new owner fails: so the units that lose an object move too, or
// are held by the lock as long as they could get it back.

// DisputedError says that two units of one call want the same object. Nothing was
// changed.
type DisputedError struct {
	Object   Ref
	Units    [2]string
	Releases [2]int // of a rollback: those to be returned to
}

func (e *DisputedError) Error() string {
	if e.Releases != [2]int{} {
		return fmt.Sprintf("%s is in release %d of %s and in release %d of %s", e.Object, e.Releases[0], e.Units[0], e.Releases[1], e.Units[1])
	}
	return fmt.Sprintf("%s is in %s and in %s", e.Object, e.Units[0], e.Units[1])
}

// Hint says how only one has it.
func (e *DisputedError) Hint() string {
	if e.Releases != [2]int{} {
		return "return to releases of one deploy: shipit rollback --deploy ID; shipit history lists them"
	}
	if slices.Contains(e.Units[:], AppUnit) {
		return "take it out of objects, or give the service another name"
	}
	return "give one of the two services another name"
}

// OwnedError says that a unit wants an object of another one that is not moved with
// it. Nothing was changed.
type OwnedError struct {
	Object  Ref
	Unit    string // wants it
	Release int    // of Unit, in a rollback
	Owner   string // has it
	Source  string // the project of Owner, when that is another one
	Ours    string
}

func (e *OwnedError) Error() string {
	switch {
	case e.Release > 0:
		return fmt.Sprintf("%s of release %d of %s belongs to %s now", e.Object, e.Release, e.Unit, e.Owner)
	case e.Source != "":
		return fmt.Sprintf("%s of %s belongs to %s, which comes from the project %s, and this is %s", e.Object, e.Unit, e.Owner, e.Source, e.Ours)
	}
	return fmt.Sprintf("%s of %s belongs to %s, which is not part of this deploy", e.Object, e.Unit, e.Owner)
}

// Hint says how it changes hands.
func (e *OwnedError) Hint() string {
	switch {
	case e.Release > 0:
		return fmt.Sprintf("return %s in the same rollback, to a release without it, or delete it first: shipit delete %s", e.Owner, e.Owner)
	case e.Source != "":
		return "give it another name, or take it out there and deploy here with --take-over"
	}
	return "deploy both at once: shipit deploy, without names of services"
}

// disputed returns a DisputedError when two targets want the same object.
func disputed(targets []target, releases map[string]int) error {
	seen := map[objectKey]string{}
	for _, t := range targets {
		for _, ref := range t.refs() {
			other, ok := seen[keyOf(ref)]
			if ok {
				return &DisputedError{Object: ref, Units: [2]string{other, t.unit}, Releases: [2]int{releases[other], releases[t.unit]}}
			}
			seen[keyOf(ref)] = t.unit
		}
	}
	return nil
}

// refs are all objects that the target has.
func (t target) refs() []Ref {
	var out []Ref
	for _, o := range t.objects {
		out = append(out, refOf(o))
	}
	return append(out, t.keep...)
}

// holder is the unit whose labels an object of this app carries; "" of what is not
// there, or not ours.
func (c *Client) holder(o *unstructured.Unstructured) string {
	if o == nil || entry(o, c.owner.Manager()) == nil {
		return ""
	}
	return unitOf(o)
}

// owners finds out from which units the plan takes objects. An OwnedError says that
// one of them is not moved here.
func (m *mover) owners(ctx context.Context) error {
	m.losers = map[string][]Ref{}
	read := map[string]*intent{}
	for _, ch := range m.plan.changes {
		owner := m.c.holder(ch.live)
		if before := m.taken[keyOf(ch.ref)]; before != "" && owner == ch.unit {
			owner = before // which has it until this release is healthy
		}
		if owner == "" || owner == ch.unit || ch.shared || ch.action == ActionDelete {
			continue
		}
		inside := slices.Contains(unitsOf(m.targets), owner) || slices.Contains(m.removals, owner)
		if !inside {
			if has, err := m.has(ctx, read, owner, ch.ref); err != nil || !has {
				if err != nil {
					return err
				}
				continue
			}
			e := &OwnedError{Object: ch.ref, Unit: ch.unit, Owner: owner, Release: m.releases[ch.unit]}
			elsewhere := m.snap.elsewhere(owner, m.c.owner.Source)
			if elsewhere {
				e.Source, e.Ours = m.snap.Units[owner].Source, m.c.owner.Source
			}
			if m.releases != nil || !elsewhere || !m.takeOver {
				return e
			}
		}
		m.losers[owner] = append(m.losers[owner], ch.ref)
	}
	return nil
}

// takings finds the objects that a unit has from a deploy which was stopped, or failed,
// though its last healthy release does not have them, and that of another unit does:
// they are the other's, and no failure and no deletion takes them away from it.
func (c *Client) takings(ctx context.Context, ix *index, live map[objectKey]*unstructured.Unstructured) (map[objectKey]string, error) {
	read := map[string]*intent{}
	healthy := func(unit string) ([]Ref, error) {
		u := ix.Units[unit]
		if u.Healthy == 0 {
			return nil, nil
		}
		t, err := store{c}.recordedTarget(ctx, read, unit, u, u.Healthy)
		if err != nil {
			return nil, passingOnly(err)
		}
		return t.refs(), nil
	}
	units := slices.Sorted(maps.Keys(ix.Units))
	out := map[objectKey]string{}
	for _, unit := range units {
		if u := ix.Units[unit]; u.Release == 0 || u.State == StateDeployed && u.Release == u.Healthy {
			continue
		}
		own, err := healthy(unit)
		if err != nil {
			return nil, err
		}
		for _, other := range units {
			if other == unit {
				continue
			}
			refs, err := healthy(other)
			if err != nil {
				return nil, err
			}
			for _, ref := range refs {
				if c.holder(live[keyOf(ref)]) == unit && !contains(own, ref) {
					out[keyOf(ref)] = other
				}
			}
		}
	}
	return out, nil
}

// has reports whether the current release of a unit has an object: labels may be
// anybody's. A record that cannot be read is no reason to take it.
func (m *mover) has(ctx context.Context, read map[string]*intent, unit string, ref Ref) (bool, error) {
	u := m.snap.Units[unit]
	if u == nil || u.Release == 0 {
		return false, nil
	}
	t, err := store{m.c}.recordedTarget(ctx, read, unit, u, u.Release)
	if err != nil {
		return true, passingOnly(err)
	}
	return contains(t.refs(), ref), nil
}

// passingOnly is err when the same question may be answered a moment later.
func passingOnly(err error) error {
	if isPassing(err) {
		return err
	}
	return nil
}

// others are the units that are not of this call and lose an object to it.
func (m *mover) others() []string {
	var out []string
	for unit := range m.losers {
		if !slices.Contains(unitsOf(m.targets), unit) && !slices.Contains(m.removals, unit) {
			out = append(out, unit)
		}
	}
	slices.Sort(out)
	return out
}

// warnTaken says of the units of other projects which objects they lose.
func (m *mover) warnTaken() {
	for _, unit := range m.others() {
		for _, ref := range m.losers[unit] {
			m.em.emit(Event{Kind: EventWarning, Unit: unit, Object: &ref, Message: fmt.Sprintf("%s was its own until now, and belongs to %s from here on", ref, m.plan.wants[keyOf(ref)])})
		}
	}
	warnTaken(m.em, m.plan, m.taken, m.live)
}

// warnTaken says of what a plan leaves to other units that those are to have it back.
func warnTaken(em *emitter, p *plan, taken map[objectKey]string, live map[objectKey]*unstructured.Unstructured) {
	for key, owner := range taken {
		if p.wants[key] == owner && live[key] != nil {
			ref := refOf(live[key])
			em.emit(Event{Kind: EventWarning, Unit: owner, Object: &ref, Message: fmt.Sprintf("%s was taken from it by a deploy that was stopped, and is left in place; to have it as it was, deploy %s", ref, owner)})
		}
	}
}

// locked are all units that nobody else may move meanwhile.
func (m *mover) locked() []string { return slices.Concat(m.moved, m.removals, m.others()) }

// homeward are the units that are looked for a way back: those that move, and those
// that only lose an object.
func (m *mover) homeward() []string {
	out := slices.Clone(m.moved)
	for unit := range m.losers {
		if !slices.Contains(out, unit) {
			out = append(out, unit)
		}
	}
	slices.Sort(out[len(m.moved):])
	return out
}

// givenBack are the objects that units which were not begun lost to those that were:
// they return to their last healthy release alone.
func (m *mover) givenBack(live map[objectKey]*unstructured.Unstructured) []target {
	var out []target
	for _, unit := range m.homeward() {
		h, ok := m.homes[unit]
		if !ok || h.err != nil || h.release == 0 || slices.Contains(m.begun, unit) {
			continue
		}
		lost := func(ref Ref) bool {
			return slices.Contains(m.begun, m.plan.wants[keyOf(ref)]) || slices.Contains(m.begun, m.c.holder(live[keyOf(ref)]))
		}
		t := target{unit: unit, past: true, part: true}
		for _, o := range h.target.objects {
			if lost(refOf(o)) {
				t.objects = append(t.objects, o)
			}
		}
		t.keep = slices.DeleteFunc(slices.Clone(h.target.keep), func(ref Ref) bool { return !lost(ref) })
		if len(t.objects)+len(t.keep) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// leaveToOwners takes out of targets on the way back what belongs to another unit
// since: to one that returns too and wants it, or to one that stays.
func (m *mover) leaveToOwners(ctx context.Context, targets []target, live map[objectKey]*unstructured.Unstructured) {
	wants := map[objectKey][]string{}
	for _, t := range targets {
		for _, ref := range t.refs() {
			wants[keyOf(ref)] = append(wants[keyOf(ref)], t.unit)
		}
	}
	read := map[string]*intent{}
	for i := range targets {
		t := &targets[i]
		theirs := func(ref Ref) bool {
			owner := m.c.holder(live[keyOf(ref)])
			switch {
			case owner == "" || owner == t.unit:
				return false
			case slices.Contains(unitsOf(targets), owner):
				return slices.Contains(wants[keyOf(ref)], owner)
			}
			has, err := m.has(ctx, read, owner, ref)
			if !has && err == nil {
				return false
			}
			m.em.emit(Event{Kind: EventWarning, Unit: t.unit, Object: &ref, Message: fmt.Sprintf("%s was left to %s, to which it belongs now", ref, owner)})
			return true
		}
		t.objects = slices.DeleteFunc(slices.Clone(t.objects), func(o *unstructured.Unstructured) bool { return theirs(refOf(o)) })
		t.keep = slices.DeleteFunc(slices.Clone(t.keep), theirs)
	}
}
