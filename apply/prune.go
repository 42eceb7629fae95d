package apply

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// unwanted are the deletions that take a unit's objects to its target: what this
// app made and neither the target nor another one has. What a retained release
// refers to is left for the day somebody returns there, and a claim is data: it
// goes only on request.
func (c *Client) unwanted(t target, wants map[objectKey]string, live map[objectKey]*unstructured.Unstructured) []*change {
	var out []*change
	for key, o := range live {
		ref := refOf(o)
		switch {
		case unitOf(o) != t.unit, wants[key] != "", o.GetDeletionTimestamp() != nil && !t.removed:
		case entry(o, c.owner.Manager()) == nil:
		case t.begins, keepsData(ref) && !t.claims, c.isOwnNamespace(ref):
		case isHashed(o) && contains(t.retained, ref):
		default:
			out = append(out, &change{unit: t.unit, ref: ref, action: ActionDelete, live: o, done: o.GetDeletionTimestamp() != nil})
		}
	}
	slices.SortFunc(out, func(a, b *change) int { return compareRefs(a.ref, b.ref) })
	return out
}

// unitOf returns the unit of an object that carries the app's labels.
func unitOf(o metav1.Object) string {
	for _, label := range []string{labelName, labelTaskOf} {
		if name := o.GetLabels()[label]; name != "" {
			return name
		}
	}
	return AppUnit
}

// keepsData reports whether data goes with the object: with a definition every
// object of its kind goes, and with a namespace all that is in it, whoever made it.
func keepsData(ref Ref) bool {
	return isClaim(ref) || isDefinition(ref) || ref.Kind == namespaceKind.Kind && ref.APIVersion == namespaceKind.APIVersion
}

func isClaim(ref Ref) bool { return ref.Kind == "PersistentVolumeClaim" && ref.APIVersion == "v1" }

// isHashed reports whether o is named by its content: an immutable ConfigMap or
// Secret. A new content is a new object, so an old release needs the old one.
func isHashed(o *unstructured.Unstructured) bool {
	if o.GetAPIVersion() != "v1" || o.GetKind() != "ConfigMap" && o.GetKind() != "Secret" {
		return false
	}
	immutable, _, _ := unstructured.NestedBool(o.Object, "immutable")
	return immutable
}

// claims lists the claims of units, of all if there are none: those that were applied, and those that a
// StatefulSet made, which have the labels of its pods and no field of ours.
func (c *Client) claims(ctx context.Context, units []string) ([]*unstructured.Unstructured, error) {
	ref := Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.owner.Namespace}
	r, err := c.resource(ref)
	if err != nil {
		return nil, err
	}
	list, err := r.List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{labelPartOf: c.owner.App}).String()})
	if err != nil {
		return nil, c.typed(err, ref, nil)
	}
	var out []*unstructured.Unstructured
	for i := range list.Items {
		if o := &list.Items[i]; len(units) == 0 || slices.Contains(units, unitOf(o)) {
			out = append(out, o)
		}
	}
	return out, nil
}

// lostClaims are the deletions of the claims that p does not have.
func (c *Client) lostClaims(p *plan, claims []*unstructured.Unstructured) []*change {
	var out []*change
	for _, o := range claims {
		ref := refOf(o)
		if !slices.ContainsFunc(p.changes, func(ch *change) bool { return keyOf(ch.ref) == keyOf(ref) }) {
			out = append(out, &change{unit: unitOf(o), ref: ref, action: ActionDelete, live: o})
		}
	}
	return out
}

// tellKept says of each unit which claims stay behind.
func tellKept(em *emitter, claims []*unstructured.Unstructured) {
	names := map[string][]string{}
	var units []string
	for _, o := range claims {
		unit := unitOf(o)
		if names[unit] == nil {
			units = append(units, unit)
		}
		names[unit] = append(names[unit], o.GetName())
	}
	slices.Sort(units)
	for _, unit := range units {
		em.emit(Event{Kind: EventWarning, Unit: unit, Message: "what it stored was kept: PersistentVolumeClaim " + strings.Join(names[unit], ", ")})
	}
}

// keptClaims says which claims of units that are gone stay behind. Those that were
// never bound go with them.
func (m *mover) keptClaims(ctx context.Context, units []string) {
	if len(units) == 0 {
		return
	}
	if claims, err := m.c.claims(ctx, units); err == nil {
		tellKept(m.em, newWriter(m.c, m.em, m.lock).dropUnbound(ctx, claims))
	}
}
