package apply

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// The number of a workload's pods belongs to an autoscaler when an object of its
// app has it as spec.scaleTargetRef. Then spec.replicas counts only for the
// release that creates the workload. Leaving it out of what is applied is not
// enough: the server removes a field whose last owner stops applying it, and its
// default is 1. So a second field manager takes the live value first
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
// It loses the field to whoever scales next; its annotation stays, and says that
// the field may be taken back by force once nothing scales any more.
const (
	scaledManager    = "shipit/autoscaled"
	annotationScaled = "shipit.dev/replicas"
	replicasField    = ".spec.replicas"
)

// hand is what is to happen to the ownership of spec.replicas.
type hand int

const (
	handStays hand = iota
	handOver       // from this app to whoever scales
	handBack       // to this app, by force
)

// scaledBy lists the workloads whose replicas belong to an object of the targets,
// or to one of this app's other units that is there.
func (c *Client) scaledBy(targets []target, live map[objectKey]*unstructured.Unstructured) map[kindName]bool {
	out := map[kindName]bool{}
	add := func(o *unstructured.Unstructured) {
		if k, ok := scales(o); ok {
			out[k] = true
		}
	}
	moves := map[string]bool{}
	for _, t := range targets {
		moves[t.unit] = true
		for _, o := range t.objects {
			add(o)
		}
	}
	wants := wantedBy(targets)
	for key, o := range live {
		if wants[key] == "" && !moves[unitOf(o)] && entry(o, c.owner.Manager()) != nil && o.GetDeletionTimestamp() == nil {
			add(o)
		}
	}
	return out
}

// kindName names a workload of the namespace as a scaleTargetRef does.
type kindName struct{ kind, name string }

func scales(o *unstructured.Unstructured) (kindName, bool) {
	ref, ok, _ := unstructured.NestedMap(o.Object, "spec", "scaleTargetRef")
	if !ok {
		return kindName{}, false
	}
	k := kindName{kind: "Deployment"} // the default of KEDA's ScaledObject
	if kind, ok := ref["kind"].(string); ok {
		k.kind = kind
	}
	k.name, _ = ref["name"].(string)
	return k, true
}

func withoutReplicas(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "spec", "replicas")
	return o
}

// handOf tells what is to happen to the replicas of an object that is there.
func (c *Client) handOf(ch *change, owned *fieldpath.Set) hand {
	handed := entry(ch.live, scaledManager) != nil
	_, wanted, _ := unstructured.NestedInt64(ch.desired.Object, "spec", "replicas")
	switch {
	case ch.scaled && (!handed || owned.Has(fieldpath.MakePathOrDie("spec", "replicas"))):
		return handOver
	case !ch.scaled && handed && wanted:
		return handBack
	}
	return handStays
}

// asked is what a dry run is to try: until the replicas are handed over, leaving
// them out would mean the default.
func (ch *change) asked() *unstructured.Unstructured {
	n, ok, _ := unstructured.NestedInt64(ch.liveObject(), "spec", "replicas")
	if ch.hand != handOver || !ok {
		return ch.desired
	}
	o := ch.desired.DeepCopy()
	_ = unstructured.SetNestedField(o.Object, n, "spec", "replicas") // spec is a map: it has a template
	return o
}

func (ch *change) liveObject() map[string]any {
	if ch.live == nil {
		return nil
	}
	return ch.live.Object
}

// onlyReplicas reports whether a conflict is over what changes hands anyway.
func (ch *change) onlyReplicas(err error) bool {
	fields := conflictFields(err)
	return ch.hand != handStays && len(fields) > 0 && !slices.ContainsFunc(fields, func(f string) bool { return f != replicasField })
}

// giveReplicas lets the second manager hold the live value.
func (w *writer) giveReplicas(ctx context.Context, ch *change, live *unstructured.Unstructured) error {
	n, ok, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	err := w.holdReplicas(ctx, ch.ref, func(o *unstructured.Unstructured) {
		o.SetAnnotations(map[string]string{annotationScaled: "autoscaled"})
		if ok {
			o.Object["spec"] = map[string]any{"replicas": n}
		}
	})
	if len(conflictFields(err)) > 0 {
		// Somebody scaled it since, and so has the field already.
		err = w.holdReplicas(ctx, ch.ref, func(o *unstructured.Unstructured) {
			o.SetAnnotations(map[string]string{annotationScaled: "autoscaled"})
		})
	}
	return err
}

// holdReplicas applies as the second manager.
func (w *writer) holdReplicas(ctx context.Context, ref Ref, fill func(*unstructured.Unstructured)) error {
	r, err := w.c.resource(ref)
	if err != nil {
		return err
	}
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion(ref.APIVersion)
	o.SetKind(ref.Kind)
	o.SetName(ref.Name)
	o.SetNamespace(ref.Namespace)
	fill(o)
	return w.retry(ctx, func(ctx context.Context) error {
		_, err := r.Apply(ctx, ref.Name, o, metav1.ApplyOptions{FieldManager: scaledManager})
		return err
	})
}

// handOver gives the replicas of an object that is there away, before it is
// applied without them.
func (w *writer) handOver(ctx context.Context, ch *change) error {
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return err
	}
	var live *unstructured.Unstructured
	err = w.retry(ctx, func(ctx context.Context) (err error) {
		live, err = r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return w.giveReplicas(ctx, ch, live)
}

// handed finishes a hand-over once the object was applied: a new object was
// applied with its replicas, and one whose replicas came back has other owners
// of them yet.
func (w *writer) handed(ctx context.Context, ch *change) error {
	switch {
	case ch.scaled && ch.action == ActionCreate:
		if err := w.giveReplicas(ctx, ch, ch.applied); err != nil {
			return err
		}
		return w.write(ctx, ch, withoutReplicas(ch.desired))
	case ch.hand == handBack:
		if err := w.disown(ctx, ch); err != nil {
			return err
		}
		return w.holdReplicas(ctx, ch.ref, func(*unstructured.Unstructured) {})
	}
	return nil
}

// disown takes the replicas from those who scaled: they would still own the value
// if it is the wanted one, and the next change of it would be a conflict. It comes
// before the second manager's end, without which nobody would look again.
func (w *writer) disown(ctx context.Context, ch *change) error {
	return w.editManagers(ctx, ch.ref, func(live *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
		all := live.GetManagedFields()
		kept := slices.DeleteFunc(slices.Clone(all), func(f metav1.ManagedFieldsEntry) bool { return f.Subresource == "scale" })
		if len(kept) == len(all) {
			return nil
		}
		return kept
	})
}

// unscale deletes what scales the workloads whose replicas come back: it would
// go on scaling them until it goes.
func (w *writer) unscale(ctx context.Context, changes []*change) error {
	var gone []*change
	for _, ch := range changes {
		if ch.action != ActionDelete || ch.live == nil {
			continue
		}
		k, ok := scales(ch.live)
		if ok && slices.ContainsFunc(changes, func(o *change) bool {
			return o.hand == handBack && o.ref.Kind == k.kind && o.ref.Name == k.name
		}) {
			gone = append(gone, ch)
		}
	}
	return w.delete(ctx, gone)
}
