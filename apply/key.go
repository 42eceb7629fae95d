package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// objectKey is what identifies an object of an app: two manifests with one key are
// one object in the cluster. The version is not part of it, which only says how the
// object is written; nor is the namespace, which is the owner's or none, as the kind
// says, whether the manifest names it or not.
type objectKey struct{ group, kind, name string }

func keyOf(ref Ref) objectKey {
	return objectKey{group: ref.GVK().Group, kind: ref.Kind, name: ref.Name}
}

func keyOfObject(o *unstructured.Unstructured) objectKey { return keyOf(refOf(o)) }

// groupKind is the kind without its version.
func (k kindRef) groupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(k.APIVersion, k.Kind).GroupKind()
}

// contains reports whether one of refs is of the same object as ref.
func contains(refs []Ref, ref Ref) bool {
	return slices.ContainsFunc(refs, func(r Ref) bool { return keyOf(r) == keyOf(ref) })
}

// kindsOf returns the kinds of objects and those of more, each once, in order: in
// the version in which it is wanted, so that it is read as it is written.
func kindsOf(targets []target, more []kindRef) []kindRef {
	var out []kindRef
	for _, t := range targets {
		for _, o := range t.withNamespace() {
			out = append(out, kindRef{APIVersion: o.GetAPIVersion(), Kind: o.GetKind()})
		}
	}
	out = append(out, more...)
	slices.SortStableFunc(out, func(a, b kindRef) int {
		return compareRefs(Ref{Kind: a.Kind, Name: a.groupKind().Group}, Ref{Kind: b.Kind, Name: b.groupKind().Group})
	})
	return slices.CompactFunc(out, func(a, b kindRef) bool { return a.groupKind() == b.groupKind() })
}

// wantedBy is which of the targets each object is of.
func wantedBy(targets []target) map[objectKey]string {
	out := map[objectKey]string{}
	for _, t := range targets {
		for _, o := range t.objects {
			out[keyOfObject(o)] = t.unit
		}
		for _, ref := range slices.Concat(t.keep, t.left) {
			out[keyOf(ref)] = t.unit
		}
	}
	return out
}

// versionPath is what changes of an object that is written in another version.
var versionPath = fieldpath.MakePathOrDie("apiVersion")

// rewritten reports whether the object was applied, or is read, in another version
// than it is to be written in now: what is owned, or there, is named by that version,
// and says nothing of this one.
func (ch *change) rewritten(manager string) bool {
	version, e := ch.desired.GetAPIVersion(), entry(ch.live, manager)
	return ch.live.GetAPIVersion() != version || e != nil && e.APIVersion != version
}
