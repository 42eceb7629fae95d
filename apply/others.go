package apply

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Server-side apply lets several managers share an object, field by field, and
// lists of things with a key element by element. A value that two managers want
// differently is a conflict; what another manager adds beside ours is not one, and
// stays. That is right for a sidecar, and wrong for a port that somebody edited:
// ours is applied beside it, with the same name. What is wrong is found here.

// otherField is something inside an object of ours that another manager has, and
// that neither we nor what we apply have: an element of a list, or a field. Its
// path is the outermost such.
type otherField struct {
	path    fieldpath.Path
	manager string
}

func (f otherField) element() bool { return isElementPath(f.path) }

func isElementPath(p fieldpath.Path) bool {
	last := p[len(p)-1]
	return last.Key != nil || last.Value != nil
}

// otherFields lists what other managers have in live beside desired. Metadata is
// left out: its lists (finalizers, owners) are made to be shared.
func otherFields(desired, live *unstructured.Unstructured, manager string) []otherField {
	ours, _ := ownedFields(live, manager)
	var out []otherField
	seen := map[string]bool{}
	eachEntry(live.GetManagedFields(), manager, func(e *metav1.ManagedFieldsEntry, set *fieldpath.Set) {
		for p := range set.All() {
			if name := p[0].FieldName; name != nil && *name == "metadata" {
				continue
			}
			root := outermost(desired, p)
			if root == nil || ours != nil && holds(ours, root) {
				continue
			}
			if _, there := valueAt(live.Object, root); there && !seen[root.String()] {
				seen[root.String()] = true
				out = append(out, otherField{root.Copy(), e.Manager})
			}
		}
	})
	return out
}

// eachEntry calls do with the fields of every manager of the object itself but ours.
func eachEntry(entries []metav1.ManagedFieldsEntry, manager string, do func(*metav1.ManagedFieldsEntry, *fieldpath.Set)) {
	for i := range entries {
		e := &entries[i]
		if e.Subresource != "" || e.FieldsV1 == nil || isOurs(e, manager) {
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(e.FieldsV1.GetRawReader()); err == nil {
			do(e, set)
		}
	}
}

func isOurs(e *metav1.ManagedFieldsEntry, manager string) bool {
	return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

// outermost is the part of p up to the first field that desired does not have, or
// from there to the first element of a list; nil when desired has p.
func outermost(desired *unstructured.Unstructured, p fieldpath.Path) fieldpath.Path {
	for i := range p {
		if _, ok := valueAt(desired.Object, p[:i+1]); ok {
			continue
		}
		for j := i; j < len(p); j++ {
			if isElementPath(p[:j+1]) {
				return p[:j+1]
			}
		}
		return p[:i+1]
	}
	return nil
}

// holds reports whether a set has p or something below it.
func holds(set *fieldpath.Set, p fieldpath.Path) bool {
	for i, pe := range p {
		children, ok := set.Children.Get(pe)
		if i == len(p)-1 {
			return ok || set.Members.Has(pe)
		}
		if !ok {
			return false
		}
		set = children
	}
	return false
}

// intruders are those of the elements of other managers that are not to stay
// beside ours: one that was added by hand, and one that replaced ours.
func intruders(desired, live *unstructured.Unstructured, manager string) []otherField {
	return slices.DeleteFunc(otherFields(desired, live, manager), func(f otherField) bool {
		return !f.element() || !byHand(f.manager) && !replacesOurs(desired, live, f.path)
	})
}

// byHand reports whether a manager is somebody with kubectl. What controllers and
// injectors add is theirs to add.
func byHand(manager string) bool { return strings.HasPrefix(manager, "kubectl") }

// replacesOurs reports whether the element at p of live is one of desired under
// another key: that one is missing, and all else of it is the same. One plain value
// is not enough to tell: two variables may both be "true".
func replacesOurs(desired, live *unstructured.Unstructured, p fieldpath.Path) bool {
	key := p[len(p)-1].Key
	list := p[:len(p)-1]
	wanted, _ := valueAt(desired.Object, list)
	items, _ := wanted.([]any)
	theirs, _ := valueAt(live.Object, p)
	if key == nil {
		return false
	}
	have, _ := valueAt(live.Object, list)
	return slices.ContainsFunc(items, func(item any) bool {
		m, ok := item.(map[string]any)
		if !ok {
			return false
		}
		rest := map[string]any{}
		pe := fieldpath.PathElement{Key: &value.FieldList{}}
		for k, v := range m {
			rest[k] = v
		}
		for _, f := range *key {
			v, ok := m[f.Name]
			if !ok {
				v = keyDefaults[f.Name]
			}
			delete(rest, f.Name)
			*pe.Key = append(*pe.Key, value.Field{Name: f.Name, Value: value.NewValueInterface(v)})
		}
		live, _ := have.([]any)
		return telling(rest) && indexIn(live, pe) < 0 && covers(theirs, rest)
	})
}

// telling reports whether the fields of an element, but for its key, are more than
// the plain value of a variable.
func telling(fields map[string]any) bool {
	_, plain := fields["value"].(string)
	return len(fields) > 1 || len(fields) == 1 && !plain
}

// covers reports whether a has all that b has.
func covers(a, b any) bool {
	switch b := b.(type) {
	case map[string]any:
		m, ok := a.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range b {
			if w, has := m[k]; !has || !covers(w, v) {
				return false
			}
		}
		return true
	case []any:
		l, ok := a.([]any)
		if !ok || len(l) != len(b) {
			return false
		}
		for i := range b {
			if !covers(l[i], b[i]) {
				return false
			}
		}
		return true
	}
	return equality.Semantic.DeepEqual(a, b)
}

// husks are the elements of lists that we are to remove, and of which another
// manager has nothing but that they are there, and their keys: server-side apply
// would keep what is left of them, a variable without its value. That comes of
// taking a field by force: the rest of its element stays shared.
func husks(removed []fieldpath.Path, live *unstructured.Unstructured, manager string) []fieldpath.Path {
	ours, ok := ownedFields(live, manager)
	if !ok {
		return nil
	}
	var out []fieldpath.Path
	eachEntry(live.GetManagedFields(), manager, func(_ *metav1.ManagedFieldsEntry, set *fieldpath.Set) {
		elements, more := map[string]fieldpath.Path{}, map[string]bool{}
		for p := range set.All() {
			root := removedElement(p, removed)
			if root == nil || !holds(ours, root) {
				continue
			}
			elements[root.String()] = root.Copy()
			more[root.String()] = more[root.String()] || !isElementPath(p) && !isKeyOf(p)
		}
		for name, p := range elements {
			if !more[name] {
				out = append(out, p)
			}
		}
	})
	return compactPaths(out)
}

// removedElement is the outermost element of a list on the way to p that is among
// what is removed, or below it; nil when there is none.
func removedElement(p fieldpath.Path, removed []fieldpath.Path) fieldpath.Path {
	for _, r := range removed {
		if len(p) < len(r) || !p[:len(r)].Equals(r) {
			continue
		}
		for i := len(r); i <= len(p); i++ {
			if isElementPath(p[:i]) {
				return p[:i]
			}
		}
	}
	return nil
}

// isKeyOf reports whether p is a key field of the element that it is in.
func isKeyOf(p fieldpath.Path) bool {
	if len(p) < 2 || p[len(p)-1].FieldName == nil || p[len(p)-2].Key == nil {
		return false
	}
	return slices.ContainsFunc(*p[len(p)-2].Key, func(f value.Field) bool { return f.Name == *p[len(p)-1].FieldName })
}

func compactPaths(paths []fieldpath.Path) []fieldpath.Path {
	slices.SortFunc(paths, func(a, b fieldpath.Path) int { return a.Compare(b) })
	return slices.CompactFunc(paths, func(a, b fieldpath.Path) bool { return a.Equals(b) })
}

// removedPaths are those of the changed paths that are in live and not in desired.
func removedPaths(changed []fieldpath.Path, desired, live *unstructured.Unstructured) []fieldpath.Path {
	return slices.DeleteFunc(slices.Clone(changed), func(p fieldpath.Path) bool {
		_, wanted := valueAt(desired.Object, p)
		_, there := valueAt(live.Object, p)
		return wanted || !there
	})
}
