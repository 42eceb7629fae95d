package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// newDeployID names a deploy: its time, so that names sort, and four random
// bytes, so that two deploys of one second differ. It is fit for object names.
func newDeployID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return time.Now().UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b[:])
}

// checkDeployID refuses a name that could be no part of an object's.
func checkDeployID(id string) error {
	if wrong := validation.IsDNS1123Label(id); len(wrong) > 0 {
		return fmt.Errorf("deploy id %q: %s", id, wrong[0])
	}
	return nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// record writes the intent, and marks the units as being deployed.
func (m *mover) record(ctx context.Context) error {
	s := store{m.c}
	in := m.intent()
	m.wanted = in
	m.tried = map[string]int{}
	for unit, iu := range in.Units {
		m.tried[unit] = iu.Release
	}
	w := newWriter(m.c, m.em, m.lock)
	w.patience = m.c.beforeChange(ctx)
	err := w.retry(ctx, func(ctx context.Context) error {
		return s.put(ctx, intentType, s.intentName(m.id), "intent", m.id, in, w.patience)
	})
	if err != nil {
		return notTaken(s.ref(s.intentName(m.id)), err)
	}
	return w.retry(ctx, func(ctx context.Context) error { return m.mark(ctx) })
}

// mark writes into the index that the units are on their way.
func (m *mover) mark(ctx context.Context) error {
	snap, err := m.lock.swap(ctx, m.em, m.snap, m.snap, func(ix *index) error {
		ix.Kinds = kindsOf(m.targets, ix.Kinds)
		for i, k := range ix.Kinds {
			ix.Kinds[i] = m.c.kinds.served(k)
		}
		for _, t := range m.targets {
			number, ok := m.tried[t.unit]
			if !ok {
				continue
			}
			u := ix.Units[t.unit]
			u.State, u.Release, u.Deploy, u.At, u.By = StateDeploying, number, m.id, now(), m.c.owner.By
			if m.releases == nil && u.release(number) == nil {
				u.Source, u.Last = m.c.owner.Source, number
				r := releaseState{Number: number, Deploy: m.id, At: now(), By: u.By, Images: images(t.objects), Hashed: append(hashed(t.objects), m.heldBack(t)...)}
				u.Releases = slices.Insert(u.Releases, 0, r)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.snap = snap
	return nil
}

// intent is what this call wants of the units that move. A rollback refers to
// the records of the releases.
func (m *mover) intent() *intent {
	in := &intent{
		header: m.c.header(), Deploy: m.id, App: m.c.owner.App, Namespace: m.c.owner.Namespace,
		Source: m.c.owner.Source, By: m.c.owner.By, At: now(), Rollback: m.releases != nil,
		Units: map[string]intentUnit{}, Removes: m.removals,
	}
	for _, t := range m.targets {
		if !slices.Contains(m.moved, t.unit) {
			continue
		}
		u := m.before[t.unit]
		iu := intentUnit{
			Release: u.Last + 1, From: u.Healthy, Needs: t.needs,
			DeadlineSeconds: int64((t.deadline + time.Second - 1) / time.Second), Found: m.refsOf(t.unit),
		}
		if m.releases == nil {
			iu.Objects = recorded(t.withNamespace())
		} else {
			iu.Release = m.releases[t.unit]
			iu.Record = u.release(iu.Release).Deploy
		}
		in.Units[t.unit] = iu
	}
	return in
}

// refsOf lists what a unit is made of now.
func (m *mover) refsOf(unit string) []Ref {
	var out []Ref
	for _, o := range m.live {
		if unitOf(o) == unit && entry(o, m.c.owner.Manager()) != nil {
			out = append(out, refOf(o))
		}
	}
	slices.SortFunc(out, compareRefs)
	return out
}

func hashed(objects []*unstructured.Unstructured) []Ref {
	var out []Ref
	for _, o := range objects {
		if isHashed(o) {
			out = append(out, refOf(o))
		}
	}
	return out
}

// home is where a unit returns to.
type home struct {
	release int // 0: it is removed
	target  target
	err     error // why there is no way back
}

// findHomes reads the recorded objects that each unit would go back to,
// and looks whether what no record could bring back is there. A record that is gone
// or damaged is said, and no way back. One that cannot be read now is an error:
// nothing is written yet, and without its way back nothing should be.
func (m *mover) findHomes(ctx context.Context) (map[string]home, error) {
	homes := map[string]home{}
	intents := map[string]*intent{}
	for _, unit := range m.homeward() {
		h := home{target: target{unit: unit}}
		u := m.before[unit]
		switch {
		case u != nil && u.Healthy > 0:
			h.release = u.Healthy
			err := repeat(ctx, func(bool) error {
				h.target, h.err = store{m.c}.recordedTarget(ctx, intents, unit, u, u.Healthy)
				if h.err == nil {
					h.target, h.err = m.leaveUnserved(ctx, h.target, u.Healthy)
				}
				return h.err
			})
			if err != nil && !isNoRecord(err) {
				return nil, fmt.Errorf("the way back of %s to release %d: %w", unit, u.Healthy, err)
			}
			for _, ref := range h.target.keep {
				if m.live[keyOf(ref)] == nil {
					h.err = errors.Join(h.err, &GoneError{Object: ref})
				}
			}
		case (u == nil || u.Last == 0) && m.lost[unit]:
			h.err = &LostHistoryError{Unit: unit}
		case u != nil && u.Last > 0:
			var found bool
			err := repeat(ctx, func(bool) (err error) {
				found, err = m.beganUnrecorded(ctx, intents, unit, u)
				return err
			})
			switch {
			case err != nil && !isNoRecord(err):
				return nil, fmt.Errorf("the way back of %s: %w", unit, err)
			case err != nil:
				h.err = err
			case found:
				h.err = &LostHistoryError{Unit: unit}
			}
		}
		h.target.history(u)
		h.target.retained = u.returnable()
		if h.err != nil {
			m.em.emit(Event{Kind: EventWarning, Unit: unit, Release: h.release, Err: h.err, Message: "if it does not become healthy, there is no way back"})
		}
		homes[unit] = h
	}
	return homes, nil
}

// isNoRecord reports whether err says that a release cannot be returned to, however
// often its record is read.
func isNoRecord(err error) bool {
	var damaged *DamagedStateError
	var newer *NewerFormatError
	var none *NoReleaseError
	return errors.As(err, &damaged) || errors.As(err, &newer) || errors.As(err, &none)
}

// recordedTarget returns a recorded release as a target.
// intents holds what was read before.
func (s store) recordedTarget(ctx context.Context, intents map[string]*intent, unit string, u *unitState, number int) (target, error) {
	t := target{unit: unit, past: true}
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
	t.needs, t.deadline = recorded.Needs, time.Duration(recorded.DeadlineSeconds)*time.Second
	for _, raw := range recorded.Objects {
		o, err := canonical(&unstructured.Unstructured{Object: raw})
		if err != nil {
			return t, &DamagedStateError{Object: s.ref(s.intentName(r.Deploy)), Err: err}
		}
		if isSecret(o) {
			t.keep = append(t.keep, refOf(o))
			continue
		}
		if unit == AppUnit && s.c.isOwnNamespace(refOf(o)) {
			t.namespace = o
			continue
		}
		t.objects = append(t.objects, o)
	}
	return t, nil
}

// images lists the images of the objects' containers, each once, in order.
func images(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, o := range objects {
		pod := []string{"spec", "template", "spec"}
		if o.GetKind() == "CronJob" {
			pod = slices.Concat([]string{"spec", "jobTemplate"}, pod)
		}
		for _, field := range []string{"initContainers", "containers"} {
			containers, _, _ := unstructured.NestedSlice(o.Object, append(pod, field)...)
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
