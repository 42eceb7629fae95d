package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// intrusion is the conflict over what other managers have inside an object of ours.
func intrusion(ref Ref, live *unstructured.Unstructured, found []otherField) error {
	f := found[0]
	e := &ConflictError{Object: ref, Field: f.path.String(), Manager: f.manager, Others: len(found) - 1, Added: true}
	for _, m := range live.GetManagedFields() {
		if m.Manager == f.manager && m.Subresource == "" && m.Time != nil && m.Time.After(e.Time) {
			e.Time = m.Time.Time
		}
	}
	return e
}

// intruded returns the conflict over what other managers have in the object; with
// force it is taken from them, and not tried before.
func (ch *change) intruded() error {
	if !ch.force {
		return intrusion(ch.ref, ch.live, ch.intruders)
	}
	ch.fields = nil
	for _, p := range ch.maybe {
		ch.fields = append(ch.fields, p.String())
	}
	for _, f := range ch.intruders {
		ch.take = append(ch.take, f.path)
		ch.fields = append(ch.fields, f.path.String())
	}
	slices.Sort(ch.fields)
	ch.fields = slices.Compact(ch.fields)
	return nil
}

// clear takes from other managers what keeps the object from going back, and
// reports whether there was such.
func (w *writer) clear(ctx context.Context, ch *change, err error) bool {
	r, rerr := w.c.resource(ch.ref)
	if rerr != nil || !apierrors.IsInvalid(err) {
		return false
	}
	now := *ch
	if now.live, rerr = r.Get(ctx, ch.ref.Name, metav1.GetOptions{}); rerr != nil {
		return false
	}
	var paths []fieldpath.Path
	for _, f := range w.c.collisions(ctx, r, &now, err) {
		paths = append(paths, f.path)
		w.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ch.ref, Message: f.path.String() + ", which " + f.manager + " added, is removed: what was there before cannot return beside it"})
	}
	return len(paths) > 0 && w.take(ctx, ch.ref, paths) == nil
}

// collisions finds out whether the server refuses to apply a change for what
// other managers have in the object: then they are what it has where the server
// sees something wrong, and the change alone is good.
func (c *Client) collisions(ctx context.Context, r dynamic.ResourceInterface, ch *change, err error) []otherField {
	if ch.live == nil || !apierrors.IsInvalid(err) || isImmutable(c.typed(err, ch.ref, ch.live)) {
		return nil
	}
	wrong := causeFields(err)
	found := slices.DeleteFunc(otherFields(ch.desired, ch.live, c.owner.Manager()), func(f otherField) bool {
		return !slices.ContainsFunc(wrong, func(names []string) bool { return isNear(f, names) })
	})
	if len(found) == 0 {
		return nil
	}
	if _, alone := c.fresh(ctx, r, ch); alone != nil {
		for _, names := range causeFields(alone) {
			if slices.ContainsFunc(wrong, func(w []string) bool { return slices.Equal(w, names) }) {
				return nil // it is wrong with or without them
			}
		}
		if !apierrors.IsInvalid(alone) {
			return nil
		}
	}
	return found
}

// fresh asks what the server would make of a change if there was nothing there.
func (c *Client) fresh(ctx context.Context, r dynamic.ResourceInterface, ch *change) (*unstructured.Unstructured, error) {
	o := ch.asked().DeepCopy()
	o.SetName("")
	o.SetGenerateName(ch.ref.Name[:min(len(ch.ref.Name), 50)] + "-")
	mute := context.WithValue(ctx, emitterKey{}, nil) // it was warned of before
	return r.Create(mute, o, metav1.CreateOptions{FieldManager: c.owner.Manager(), DryRun: []string{metav1.DryRunAll}})
}

// causeFields are the fields that a refusal names, as the names on the way there.
func causeFields(err error) [][]string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out [][]string
	for _, cause := range status.Status().Details.Causes {
		var names []string
		for name := range strings.SplitSeq(cause.Field, ".") {
			name, _, _ = strings.Cut(name, "[")
			names = append(names, name)
		}
		out = append(out, names)
	}
	return out
}

func isImmutable(err error) bool {
	var invalid *InvalidError
	return errors.As(err, &invalid) && invalid.Immutable
}

// isNear reports whether what the server finds wrong is in the same list or struct
// as f.
func isNear(f otherField, wrong []string) bool {
	in := fieldNames(f.path)
	if !f.element() {
		if in = in[:len(in)-1]; len(in) < 2 {
			return false // all of spec is near to everything
		}
	}
	return len(wrong) >= len(in) && slices.Equal(wrong[:len(in)], in)
}

// take makes fields of other managers ours alone, and changes nothing else: what
// is applied next without them removes them.
func (w *writer) take(ctx context.Context, ref Ref, paths []fieldpath.Path) error {
	if len(paths) == 0 {
		return nil
	}
	return w.editManagers(ctx, ref, func(live *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
		return moveFields(live, w.c.owner.Manager(), paths)
	})
}

// moveFields returns the managed fields of live with those at paths moved from
// other managers to manager; nil when nothing moves.
func moveFields(live *unstructured.Unstructured, manager string, paths []fieldpath.Path) []metav1.ManagedFieldsEntry {
	moved := &fieldpath.Set{}
	left := map[*metav1.ManagedFieldsEntry]*fieldpath.Set{}
	entries := live.DeepCopy().GetManagedFields()
	eachEntry(entries, manager, func(e *metav1.ManagedFieldsEntry, set *fieldpath.Set) {
		theirs := &fieldpath.Set{}
		for p := range set.All() {
			if slices.ContainsFunc(paths, func(t fieldpath.Path) bool { return len(p) >= len(t) && p[:len(t)].Equals(t) }) {
				theirs.Insert(p.Copy())
			}
		}
		if !theirs.Empty() {
			moved = moved.Union(theirs)
			left[e] = set.Difference(theirs)
		}
	})
	if moved.Empty() {
		return nil
	}
	var out []metav1.ManagedFieldsEntry
	for i := range entries {
		e := &entries[i]
		set, changed := left[e], left[e] != nil
		if isOurs(e, manager) {
			mine := &fieldpath.Set{}
			if err := mine.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
				return nil
			}
			set, changed = mine.Union(moved), true
		}
		if changed {
			if set.Empty() {
				continue
			}
			data, err := set.ToJSON()
			if err != nil {
				return nil
			}
			e.FieldsV1 = metav1.NewFieldsV1(string(bytes.TrimSpace(data)))
		}
		out = append(out, *e)
	}
	return out
}

// editManagers writes who manages what of an object, and nothing else, unless edit
// returns nil. A controller may write its status between the two.
func (w *writer) editManagers(ctx context.Context, ref Ref, edit func(*unstructured.Unstructured) []metav1.ManagedFieldsEntry) error {
	r, err := w.c.resource(ref)
	if err != nil {
		return err
	}
	once := func(ctx context.Context) error {
		live, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		fields := edit(live)
		if fields == nil {
			return nil
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"managedFields": fields, "resourceVersion": live.GetResourceVersion(),
		}})
		if err != nil {
			return err
		}
		_, err = r.Patch(ctx, ref.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: w.c.owner.Manager()})
		return err
	}
	for range 10 {
		if err = w.retry(ctx, once); !apierrors.IsConflict(err) {
			break
		}
	}
	return err
}
