package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Whose an object is says its managedFields. A restore from a backup, or whoever
// empties them, loses that. Then an object with the labels of this app is its own if
// a record of its unit has it, or if nobody at all has written it by what it says: the
// API server keeps managedFields of every write. What has the labels and neither is
// perhaps somebody's copy.

// lostObjects is what recall found out about objects that have the app's labels and
// are not in its field manager's name.
type lostObjects struct {
	ours      []*unstructured.Unstructured       // by its records, or as nobody else's
	recorded  map[Ref]*unstructured.Unstructured // as the last release that has each wanted it
	strangers []*unstructured.Unstructured       // their unit is recorded, and not with them
	unsure    []*unstructured.Unstructured       // no record tells
}

// recall looks for what of live is this app's though its managedFields were lost,
// and puts that down in live as applied, without a field. It reads records only if
// there is such an object.
func (c *Client) recall(ctx context.Context, ix *index, live map[objectKey]*unstructured.Unstructured) (*lostObjects, error) {
	found := &lostObjects{recorded: map[Ref]*unstructured.Unstructured{}}
	read := map[string]*intent{}
	for _, o := range live {
		if entry(o, c.owner.Manager()) != nil || len(o.GetOwnerReferences()) > 0 || o.GetKind() == namespaceKind.Kind {
			continue
		}
		has, known, err := c.inRecords(ctx, ix, read, o, found.recorded)
		switch {
		case err != nil:
			return nil, err
		case has, !managed(o) && o.GetNamespace() != "": // labels name no namespace
			found.ours = append(found.ours, o)
			c.markOurs(o)
		case o.GetNamespace() == "": // of an app of this name in any namespace
		case isClaim(refOf(o)): // of a StatefulSet, perhaps: claims are looked for by themselves
		case known:
			found.strangers = append(found.strangers, o)
		default:
			found.unsure = append(found.unsure, o)
		}
	}
	for _, list := range [][]*unstructured.Unstructured{found.ours, found.strangers, found.unsure} {
		slices.SortFunc(list, func(a, b *unstructured.Unstructured) int { return compareRefs(refOf(a), refOf(b)) })
	}
	return found, nil
}

// inRecords reports whether a kept release of its unit has the object o, and
// whether that is known: a unit may have no records, or one that cannot be read. The
// object as it was wanted is added to was.
func (c *Client) inRecords(ctx context.Context, ix *index, read map[string]*intent, o *unstructured.Unstructured, was map[Ref]*unstructured.Unstructured) (has, known bool, err error) {
	unit, ref := unitOf(o), refOf(o)
	u := ix.Units[unit]
	if u == nil || len(u.Releases) == 0 {
		return false, false, nil
	}
	releases := slices.Clone(u.Releases)
	slices.SortStableFunc(releases, func(a, b releaseState) int { return rank(a, u) - rank(b, u) })
	known = true
	for _, r := range releases {
		if r.Outcome == RolledBack || r.Outcome == Removed {
			continue // what it made is undone: what has its names now is others'
		}
		in := read[r.Deploy]
		if in == nil {
			in, err = store{c}.intent(ctx, r.Deploy)
			switch {
			case err != nil && (isPassing(err) || ctx.Err() != nil):
				return false, false, err
			case err != nil:
				known = false
				continue
			}
			read[r.Deploy] = in
		}
		for _, raw := range in.Units[unit].Objects {
			wanted, err := canonical(&unstructured.Unstructured{Object: raw})
			if err == nil && sameIdentity(refOf(wanted), ref) {
				if !isSecret(wanted) {
					was[ref] = wanted
				}
				return true, true, nil
			}
		}
		if slices.ContainsFunc(in.Units[unit].Found, func(f Ref) bool { return sameIdentity(f, ref) }) {
			return true, true, nil
		}
	}
	return false, known, nil
}

// rank is 0 of the release that a unit is at, and 1 of the others.
func rank(r releaseState, u *unitState) int {
	if r.Number == u.Release {
		return 0
	}
	return 1
}

func sameIdentity(a, b Ref) bool {
	return a.GVK().GroupKind() == b.GVK().GroupKind() && a.Namespace == b.Namespace && a.Name == b.Name
}

// managed reports whether somebody wrote o, other than its status or its count, by
// what it says.
func managed(o *unstructured.Unstructured) bool {
	return slices.ContainsFunc(o.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Subresource == "" })
}

// markOurs puts down, in memory, that this app applied o, and owns no field of it.
func (c *Client) markOurs(o *unstructured.Unstructured) {
	o.SetManagedFields(append(o.GetManagedFields(), metav1.ManagedFieldsEntry{
		Manager: c.owner.Manager(), Operation: metav1.ManagedFieldsOperationApply, APIVersion: o.GetAPIVersion(),
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1("{}"),
	}))
}

// regain gives this app its fields of an object back whose managedFields were lost:
// those of the release that is recorded, so that what is not wanted any more goes. It
// changes nothing else. Who made the object anew, as a restore does, loses all of it.
func (w *writer) regain(ctx context.Context, ch *change) error {
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return err
	}
	was := ch.was
	if was == nil {
		was = ch.desired
	}
	tried, err := r.Apply(ctx, ch.ref.Name, was, metav1.ApplyOptions{FieldManager: w.c.owner.Manager(), Force: true, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	ours := entry(tried, w.c.owner.Manager())
	if ours == nil {
		return nil // the write that follows takes what it can
	}
	live, err := r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	fields := slices.DeleteFunc(live.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		made := f.Time != nil && f.Time.Equal(ptrTo(live.GetCreationTimestamp()))
		return f.Manager == ours.Manager && f.Operation == ours.Operation && f.Subresource == "" ||
			made && f.Operation == metav1.ManagedFieldsOperationUpdate && f.Subresource == ""
	})
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": live.GetUID(), "resourceVersion": live.GetResourceVersion(), "managedFields": append(fields, *ours),
	}})
	if err != nil {
		return err
	}
	_, err = r.Patch(ctx, ch.ref.Name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: w.c.owner.Manager()})
	return err
}

// ours returns nil if this app applied o.
func (c *Client) ours(o *unstructured.Unstructured) error {
	if entry(o, c.owner.Manager()) != nil {
		return nil
	}
	e := &NotOursError{Object: refOf(o)}
	if app := o.GetLabels()[labelPartOf]; app != c.owner.App {
		e.App = app
	} else {
		e.Labelled = o.GetLabels()[labelManagedBy] == managedByShipit
	}
	for _, f := range o.GetManagedFields() {
		if f.Subresource == "" {
			e.Manager = f.Manager
			break
		}
	}
	return e
}

// LeftError says that objects have the labels of an app and were left in place,
// because nothing else says that shipit made them.
type LeftError struct {
	App     string
	Objects []Ref
}

func leftError(app string, objects []*unstructured.Unstructured) error {
	if len(objects) == 0 {
		return nil
	}
	e := &LeftError{App: app}
	for _, o := range objects {
		e.Objects = append(e.Objects, refOf(o))
	}
	return e
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("left in place: %s: labelled as part of app %s, but neither managedFields nor a release record says that shipit made this", names(e.Objects), e.App)
}

// Hint says how they go.
func (e *LeftError) Hint() string {
	ref := e.Objects[0]
	return "what belongs to the app, delete yourself: " + kubectl("delete", ref)
}

func names(refs []Ref) string {
	out := make([]string, len(refs))
	for i, ref := range refs {
		out[i] = ref.String()
	}
	return strings.Join(out, ", ")
}

// ofUnits picks the objects of some units.
func ofUnits(objects []*unstructured.Unstructured, units []string) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool { return !slices.Contains(units, unitOf(o)) })
}

// tellStrangers warns of objects that have the labels of units and are not theirs.
func tellStrangers(em *emitter, objects []*unstructured.Unstructured) {
	for _, o := range objects {
		ref := refOf(o)
		em.once(Event{Kind: EventWarning, Unit: unitOf(o), Object: &ref, Message: fmt.Sprintf("left in place: %s has this service's labels but was not created by it", ref)})
	}
}

// warnUnclaimed says which objects are taken again, or deleted, though their
// managedFields do not say that they are this app's; and which of units that go are
// left in place.
func (m *mover) warnUnclaimed() {
	for _, o := range ofUnits(m.unclaimed.ours, slices.Concat(m.moved, m.removals)) {
		ref := refOf(o)
		m.em.emit(Event{Kind: EventWarning, Unit: unitOf(o), Object: &ref, Message: fmt.Sprintf("%s lost its managedFields, as in a restore from a backup: it is taken for this app's, by its labels and records", ref)})
	}
	tellStrangers(m.em, ofUnits(m.unclaimed.strangers, m.removals))
	if err := leftError(m.c.owner.App, ofUnits(m.unclaimed.unsure, m.removals)); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "not everything is removed", Err: err})
	}
}
