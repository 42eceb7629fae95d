package apply

import (
	"context"
	"errors"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// noObjectsVersion is a resourceVersion that no object has: the store is at 1
// before its first write. An apply that expects it creates the object, and is a
// conflict if there is one, whoever made it. So nobody has to look first, and what
// somebody makes between the look and the write is not written over.
const noObjectsVersion = "1"

// onlyNew returns o as it is applied when it must not be there. It shares with o
// what is not changed.
func onlyNew(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: maps.Clone(o.Object)}
	metadata, _ := o.Object["metadata"].(map[string]any)
	out.Object["metadata"] = maps.Clone(metadata)
	out.SetResourceVersion(noObjectsVersion)
	return out
}

// tryNew asks what creating the object would give. If it is there, though the
// listing of the app's objects does not have it, it is read into the change.
func (c *Client) tryNew(ctx context.Context, r dynamic.ResourceInterface, ch *change) error {
	options := metav1.ApplyOptions{FieldManager: c.owner.Manager(), DryRun: []string{metav1.DryRunAll}}
	dry, err := r.Apply(ctx, ch.ref.Name, onlyNew(ch.desired), options)
	if err == nil {
		return c.unheeded(ctx, r, ch, ch.desired, dry)
	}
	if !isStatus(err) {
		return c.typed(err, ch.ref, nil)
	}
	// Whose it is comes before what is wrong with changing it.
	live, gone := r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
	switch {
	case gone == nil:
		ch.live = live
		c.decide(ch)
		return nil
	case !apierrors.IsNotFound(gone):
		return c.typed(err, ch.ref, nil)
	case ch.binds && roleMissing(ch.ref, err):
		return nil // a dry run of the Role makes none
	case ch.redefined && isOfOldDefinition(err):
		return nil // it is asked again when the definition is there
	case apierrors.IsConflict(err):
		return nil // it was there a moment ago: the write will see
	}
	return ch.named(c.typed(err, ch.ref, nil))
}

// first sends the first apply of a change. That of a new object creates it: one
// that somebody else made meanwhile is refused, by force or not, and one that an
// attempt before this one made is applied as any other.
func (w *writer) first(ctx context.Context, ch *change, desired *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if ch.action != ActionCreate || ch.applied != nil {
		return w.send(ctx, ch.ref, desired, ch.force || ch.lost)
	}
	got, err := w.send(ctx, ch.ref, onlyNew(desired), false)
	if !apierrors.IsConflict(err) {
		return got, err
	}
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return nil, err
	}
	live, err := r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return w.send(ctx, ch.ref, onlyNew(desired), false)
	}
	if err == nil {
		err = w.c.ours(live)
	}
	if err != nil {
		return nil, err
	}
	return w.send(ctx, ch.ref, desired, ch.force)
}

// forgetStrangers takes out of live what somebody else made while the deploy was to
// make it: the record of the deploy has it, and it is not this app's all the same.
func (m *mover) forgetStrangers(live map[objectKey]*unstructured.Unstructured) {
	for _, ch := range m.plan.changes {
		var notOurs *NotOursError
		if errors.As(ch.err, &notOurs) {
			delete(live, keyOf(ch.ref))
		}
	}
}
