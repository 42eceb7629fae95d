package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// keepReleases is how many releases of a unit the history keeps.
const keepReleases = 10

// newDeployID names a deploy: its time, so that names sort, and four random
// bytes, so that two deploys of one second differ. It is fit for object names.
func newDeployID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return time.Now().UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b[:])
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// record writes the intent, and marks the units as being deployed.
func (m *mover) record(ctx context.Context) error {
	s := store{m.c}
	numbers := map[string]int{}
	in := &intent{
		FormatVersion: formatVersion, Deploy: m.id, App: m.c.owner.App, Namespace: m.c.owner.Namespace,
		Source: m.c.owner.Source, By: m.c.owner.By, At: now(), Units: map[string]intentUnit{},
	}
	for _, t := range m.targets {
		if !slices.Contains(m.moved, t.unit) {
			continue
		}
		numbers[t.unit] = m.releases[t.unit]
		if m.releases == nil {
			u := m.before[t.unit]
			numbers[t.unit] = u.Last + 1
			in.Units[t.unit] = intentUnit{Release: u.Last + 1, From: u.Healthy, Objects: recorded(t.objects)}
		}
	}
	if m.releases == nil && len(in.Units) > 0 {
		if err := s.record(ctx, in); err != nil {
			return err
		}
	}
	kinds := kindsOf(m.targets, nil)
	snap, err := s.swap(ctx, m.snap, func(ix *index) error {
		if err := m.lock.owns(ix); err != nil {
			return err
		}
		ix.Kinds = kindsOf(nil, slices.Concat(ix.Kinds, kinds))
		for _, t := range m.targets {
			number, ok := numbers[t.unit]
			if !ok {
				continue
			}
			u := ix.Units[t.unit]
			u.State, u.Release, u.Deploy, u.At, u.By = StateDeploying, number, m.id, now(), m.c.owner.By
			if m.releases == nil {
				u.Source, u.Last = m.c.owner.Source, number
				u.Releases = slices.Insert(u.Releases, 0, releaseState{Number: number, Deploy: m.id, At: now(), By: u.By, Images: images(t.objects)})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.snap, m.tried = snap, numbers
	return nil
}

// findHomes reads the recorded objects that each moved unit would go back to.
func (m *mover) findHomes(ctx context.Context) map[string]home {
	homes := map[string]home{}
	intents := map[string]*intent{}
	for _, unit := range m.moved {
		h := home{target: target{unit: unit}}
		if u := m.before[unit]; u != nil && u.Healthy > 0 {
			h.release = u.Healthy
			h.target, h.err = store{m.c}.recordedTarget(ctx, intents, unit, u, u.Healthy)
			if h.err != nil {
				m.em.emit(Event{Kind: EventWarning, Unit: unit, Release: u.Healthy, Err: h.err,
					Message: fmt.Sprintf("the record of release %d cannot be read, so there is no way back to it", u.Healthy)})
			}
		}
		homes[unit] = h
	}
	return homes
}

// recordedTarget returns a recorded release as a target.
// intents holds what was read before.
func (s store) recordedTarget(ctx context.Context, intents map[string]*intent, unit string, u *unitState, number int) (target, error) {
	t := target{unit: unit}
	r := u.release(number)
	if r == nil {
		return t, &NoReleaseError{Unit: unit, Release: number}
	}
	in := intents[r.Deploy]
	if in == nil {
		var err error
		if in, err = s.intent(ctx, r.Deploy); err != nil {
			return t, err
		}
		intents[r.Deploy] = in
	}
	recorded, ok := in.Units[unit]
	if !ok || recorded.Release != number {
		return t, &DamagedStateError{Object: s.ref(s.intentName(r.Deploy)), Err: fmt.Errorf("it does not have release %d of %s", number, unit)}
	}
	for _, raw := range recorded.Objects {
		o, err := canonical(&unstructured.Unstructured{Object: raw})
		if err != nil {
			return t, &DamagedStateError{Object: s.ref(s.intentName(r.Deploy)), Err: err}
		}
		if isSecret(o) {
			t.keep = append(t.keep, refOf(o))
			continue
		}
		t.objects = append(t.objects, o)
	}
	return t, nil
}

// arrive records that everything is where it should be, and prunes history.
func (m *mover) arrive(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	kept := map[string]bool{}
	for _, unit := range m.removals {
		if err := m.removeUnit(ctx, unit); err != nil {
			kept[unit] = true // the next deploy tries again
			m.em.emit(Event{Kind: EventWarning, Unit: unit, Message: "not everything of it was removed", Err: err})
		}
	}
	err := m.settle(ctx, func(ix *index) {
		for _, unit := range m.moved {
			u := ix.Units[unit]
			u.State, u.Healthy, u.At = StateDeployed, u.Release, now()
			if r := u.release(u.Release); r != nil && m.releases == nil {
				r.Outcome = Deployed
			}
		}
		for _, unit := range m.removals {
			if kept[unit] {
				ix.Units[unit].State = StateFailed
			} else {
				delete(ix.Units, unit)
			}
		}
	})
	if err != nil {
		return err
	}
	m.result.Outcome = Deployed
	return nil
}

// settle writes the end of the deploy into the index, lets the units go, and
// forgets what history does not keep.
func (m *mover) settle(ctx context.Context, change func(*index)) error {
	s := store{m.c}
	var dropped []string
	var snap *snapshot
	w := newWriter(m.c, m.em, m.lock)
	err := w.retry(ctx, func(ctx context.Context) (err error) {
		snap, err = s.swap(ctx, m.snap, func(ix *index) error {
			if err := m.lock.owns(ix); err != nil {
				return err
			}
			before := ix.deploys()
			change(ix)
			m.lock.unlock(ix)
			for _, u := range ix.Units {
				u.trim()
			}
			after := ix.deploys()
			dropped = slices.DeleteFunc(slices.Concat(before, m.lock.dead, []string{m.id}), func(d string) bool { return slices.Contains(after, d) })
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	m.snap = snap
	if err := s.forget(ctx, &snap.index, dropped); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "an old record was not removed", Err: err})
	}
	return nil
}

// deploys lists the deploys whose intents the releases refer to.
func (ix *index) deploys() []string {
	var out []string
	for _, u := range ix.Units {
		for _, r := range u.Releases {
			out = append(out, r.Deploy)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// trim drops the oldest releases, but never the current or the healthy one.
func (u *unitState) trim() {
	n := 0
	u.Releases = slices.DeleteFunc(u.Releases, func(r releaseState) bool {
		n++
		return n > keepReleases && r.Number != u.Release && r.Number != u.Healthy
	})
}

// images lists the images of the objects' containers, each once, in order.
func images(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, o := range objects {
		for _, field := range []string{"initContainers", "containers"} {
			containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", field)
			for _, c := range containers {
				if m, ok := c.(map[string]any); ok {
					if image, ok := m["image"].(string); ok && !slices.Contains(out, image) {
						out = append(out, image)
					}
				}
			}
		}
	}
	return out
}
