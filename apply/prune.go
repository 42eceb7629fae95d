package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// unwanted are the deletions that take a unit's objects to its target: what this
// app made and the target does not have. What a retained release refers to is
// left for the day somebody returns there, and a claim is data: it goes only on
// request.
func (c *Client) unwanted(t target, wanted map[Ref]bool, live map[Ref]*unstructured.Unstructured) []*change {
	var out []*change
	for ref, o := range live {
		switch {
		case unitOf(o) != t.unit, wanted[ref], o.GetDeletionTimestamp() != nil:
		case entry(o, c.owner.Manager()) == nil:
		case isClaim(ref) && !t.claims:
		case isHashed(o) && slices.Contains(t.retained, ref):
		default:
			out = append(out, &change{unit: t.unit, ref: ref, action: ActionDelete, live: o})
		}
	}
	slices.SortFunc(out, func(a, b *change) int { return compareRefs(a.ref, b.ref) })
	return out
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
