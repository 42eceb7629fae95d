package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// UnheededError says that the API server takes Object and does not do what is asked
// of Field: it keeps what was there, or drops what it does not know.
type UnheededError struct {
	Object  Ref
	Field   string // as server-side apply writes it: .spec.dataSource
	Kept    any    // what stays there; nil when the field is dropped
	Dropped bool
}

func (e *UnheededError) Error() string {
	if e.Dropped {
		return fmt.Sprintf("%s: the API server drops %s, and says nothing of it", e.Object, e.Field)
	}
	s := fmt.Sprintf("%s: the API server keeps %s as it was, and says nothing of it", e.Object, e.Field)
	switch e.Kept.(type) {
	case string, bool, int64, float64:
		s += fmt.Sprintf(": it stays %v", e.Kept)
	}
	return s
}

// Unwrap returns what it comes to: a field that cannot be changed, or a value that is
// not valid.
func (e *UnheededError) Unwrap() error {
	return &InvalidError{Object: e.Object, Field: strings.TrimPrefix(e.Field, "."), Immutable: !e.Dropped, Err: errors.New("it is dropped")}
}

// Hint returns what to do about it.
func (e *UnheededError) Hint() string {
	if e.Dropped {
		return "leave the field out, or write a value that this version of Kubernetes knows"
	}
	return "give it another name, or delete it and deploy again, with nothing there in between: " + kubectl("delete", e.Object)
}

// unheeded compares the server's answer to a change with what was asked. A value
// that is neither the one asked for nor the one that was there is a webhook's, or
// another way to write the same. One that stays as it was may still be a default
// or a webhook's: the server is asked what it would make of a new object. The
// fields found before, in the answer to the dry run, are in ch.heeded.
func (c *Client) unheeded(ctx context.Context, r dynamic.ResourceInterface, ch *change, asked, answer *unstructured.Unstructured) error {
	kept, dropped := ch.doubtful(asked, answer, c.owner.Manager())
	if len(kept) == 0 && len(dropped) == 0 {
		return nil
	}
	if ch.heeded == nil {
		ch.heeded = map[string]bool{}
	}
	var fresh *unstructured.Unstructured
	if len(kept) > 0 {
		var err error
		if fresh, err = c.fresh(ctx, r, ch); err != nil {
			kept = nil // nothing is known of it
		}
	}
	for _, p := range kept {
		stays, _ := valueAt(answer.Object, p)
		would, has := valueAt(fresh.Object, p)
		if has && (equality.Semantic.DeepEqual(stays, would) || isAllocated(p)) {
			ch.heeded[p.String()] = true
			continue
		}
		return &UnheededError{Object: ch.ref, Field: p.String(), Kept: stays}
	}
	if len(dropped) == 0 || c.mutated(ctx, ch.ref) {
		for _, p := range dropped {
			ch.heeded[p.String()] = true
		}
		return nil
	}
	return &UnheededError{Object: ch.ref, Field: dropped[0].String(), Dropped: true}
}

// heed looks at the answer to a write. On the way back a difference is told, and
// keeps nothing from returning.
func (w *writer) heed(ctx context.Context, ch *change, asked *unstructured.Unstructured) error {
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return err
	}
	now := ch
	if ch.action == ActionReplace {
		now = new(*ch)
		now.live = nil // it is another object
	}
	err = w.c.unheeded(ctx, r, now, asked, ch.applied)
	if err != nil && w.resolve != nil {
		w.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ch.ref, Message: "it is back, but for one field", Err: err})
		return nil
	}
	return err
}

// doubtful lists the fields in which the answer is not what was asked: what stays
// as it was, and what is not there.
func (ch *change) doubtful(asked, answer *unstructured.Unstructured, manager string) (kept, dropped []fieldpath.Path) {
	owned, ok := ownedFields(answer, manager)
	if !ok {
		return nil, nil
	}
	for _, p := range compare(asked, answer, owned) {
		want, wanted := valueAt(asked.Object, p)
		got, there := valueAt(answer.Object, p)
		was, had := valueAt(ch.liveObject(), p)
		switch {
		case !wanted || ch.heeded[p.String()] || ch.scaled && p.String() == replicasField:
		case !there && !isHollow(want):
			dropped = append(dropped, p.Copy())
		case there && had && !othersHold(answer, manager, p) && equality.Semantic.DeepEqual(got, was) && !equality.Semantic.DeepEqual(got, want):
			kept = append(kept, p.Copy())
		}
	}
	if ch.live == nil || ch.rewritten(manager) {
		return kept, dropped // the fields that are owned are named by another version
	}
	for _, p := range removedPaths(ch.maybe, asked, ch.live) {
		got, there := valueAt(answer.Object, p)
		was, _ := valueAt(ch.live.Object, p)
		if there && !ch.heeded[p.String()] && equality.Semantic.DeepEqual(got, was) && !othersHold(answer, manager, p) {
			kept = append(kept, p.Copy())
		}
	}
	return kept, dropped
}

// isHollow reports whether v says nothing, as far down as it goes: the server may
// leave it out.
func isHollow(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return isEmpty(v)
	}
	for _, e := range m {
		if !isHollow(e) {
			return false
		}
	}
	return true
}

// othersHold reports whether another manager has the field at p, or a part of it.
func othersHold(o *unstructured.Unstructured, manager string, p fieldpath.Path) bool {
	held := false
	eachEntry(o.GetManagedFields(), manager, func(_ *metav1.ManagedFieldsEntry, set *fieldpath.Set) {
		held = held || holds(set, p)
	})
	return held
}

// isAllocated reports whether the server chooses the field's value when none is
// asked for: then one that it chose, or was told, before is as good as another.
func isAllocated(p fieldpath.Path) bool {
	names := fieldNames(p)
	return slices.Contains([]string{"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort"}, names[len(names)-1])
}

// mutated reports whether a webhook or a policy of the cluster's may change
// objects of the kind, for all that the caller may see.
func (c *Client) mutated(ctx context.Context, ref Ref) bool {
	m, err := c.kinds.mapping(ref.GVK())
	if err != nil {
		return true
	}
	for _, k := range []string{"mutatingwebhookconfigurations", "mutatingadmissionpolicies"} {
		list, err := c.dyn.Resource(admissionResource(k)).List(ctx, metav1.ListOptions{})
		if err != nil && !isUnserved(err) {
			return true // who may not look cannot say that there is none
		}
		if err == nil && slices.ContainsFunc(list.Items, func(o unstructured.Unstructured) bool {
			return matchesResource(o.Object, m.Resource.Group, m.Resource.Resource)
		}) {
			return true
		}
	}
	return false
}
