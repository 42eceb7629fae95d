package apply

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// canonical returns a copy of o as server-side apply should get it: nulls,
// status and server-set metadata dropped, numbers as JSON gives them.
func canonical(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(o.Object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", refOf(o), err)
	}
	c := &unstructured.Unstructured{}
	if err := c.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("%s: %w", refOf(o), err)
	}
	delete(c.Object, "status")
	for _, f := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink"} {
		unstructured.RemoveNestedField(c.Object, "metadata", f)
	}
	dropNulls(c.Object)
	if c.GetAPIVersion() == "v1" && c.GetKind() == "Secret" {
		withoutStringData(c.Object)
	}
	return c, nil
}

// withoutStringData moves a Secret's stringData into data, as the server does:
// it can be written only, so nothing could be compared with it.
func withoutStringData(o map[string]any) {
	values, ok, err := unstructured.NestedStringMap(o, "stringData")
	if !ok || err != nil {
		return // the server will say what is wrong with it
	}
	data, _ := o["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	for k, v := range values {
		data[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}
	delete(o, "stringData")
	o["data"] = data
}

func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

// entry returns manager's server-side apply entry in o, and nil if it never
// applied o.
func entry(o *unstructured.Unstructured, manager string) *metav1.ManagedFieldsEntry {
	fields := o.GetManagedFields()
	for i := range fields {
		f := &fields[i]
		if f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == "" {
			return f
		}
	}
	return nil
}

// ownedFields returns the fields that manager owns in o.
func ownedFields(o *unstructured.Unstructured, manager string) (*fieldpath.Set, bool) {
	e := entry(o, manager)
	if e == nil || e.FieldsV1 == nil {
		return nil, false
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
		return nil, false
	}
	return set, true
}

// compare returns the fields in which applying desired could change live: those
// that differ, those that the manager does not own yet, and those that it owns
// and desired no longer has. None means that applying changes nothing. It is
// allowed to name a field that does not change in the end (a value that the
// server writes in another way): a dry run decides then. It is never allowed to
// miss one.
//
// No schema is needed: the owned set says of every list whether it is merged by
// keys, by values, or whole.
func compare(desired, live *unstructured.Unstructured, owned *fieldpath.Set) []fieldpath.Path {
	w := &walk{}
	d := withoutIdentity(desired.Object)
	w.maps(nil, d, live.Object, owned)
	return w.changed
}

// withoutIdentity drops what managedFields never mention.
func withoutIdentity(o map[string]any) map[string]any {
	out := make(map[string]any, len(o))
	for k, v := range o {
		switch k {
		case "apiVersion", "kind":
		case "metadata":
			m, _ := v.(map[string]any)
			meta := make(map[string]any, len(m))
			for k, v := range m {
				if k != "name" && k != "namespace" {
					meta[k] = v
				}
			}
			if len(meta) > 0 {
				out[k] = meta
			}
		default:
			out[k] = v
		}
	}
	return out
}

type walk struct{ changed []fieldpath.Path }

func (w *walk) change(p fieldpath.Path) { w.changed = append(w.changed, p.Copy()) }

// maps compares a map or struct whose fields are owned one by one.
func (w *walk) maps(p fieldpath.Path, desired, live map[string]any, owned *fieldpath.Set) {
	for k, d := range desired {
		pe := fieldpath.FieldNameElement(k)
		l, has := live[k]
		w.item(append(p, pe), pe, d, l, has, owned)
	}
	w.removed(p, owned, func(pe fieldpath.PathElement) bool {
		if pe.FieldName == nil {
			return false
		}
		_, ok := desired[*pe.FieldName]
		return ok
	})
}

// item compares one element of a map or of a list merged by keys.
func (w *walk) item(p fieldpath.Path, pe fieldpath.PathElement, d, l any, has bool, owned *fieldpath.Set) {
	children, nested := owned.Children.Get(pe)
	if !nested {
		if l, ok := d.([]any); ok && len(l) == 0 && !has && !owned.Members.Has(pe) {
			return // a list that is merged has no owner when it is empty
		}
		// A leaf, or a map or list that is owned whole.
		if !owned.Members.Has(pe) || !sameValue(p, d, l, has) {
			w.change(p)
		}
		return
	}
	switch d := d.(type) {
	case map[string]any:
		lm, _ := l.(map[string]any)
		w.maps(p, d, lm, children)
	case []any:
		ll, _ := l.([]any)
		w.lists(p, d, ll, children)
	default:
		w.change(p)
	}
}

// lists compares a list that is merged by keys or by values.
func (w *walk) lists(p fieldpath.Path, desired, live []any, owned *fieldpath.Set) {
	elements := map[string]fieldpath.PathElement{}
	collect := func(pe fieldpath.PathElement) { elements[pe.String()] = pe }
	for pe := range owned.Members.All() {
		collect(pe)
	}
	for pe := range owned.Children.All() {
		collect(pe)
	}
	seen := map[string]bool{}
	var order []int
	for _, d := range desired {
		pe, ok := elementOf(d, elements)
		if !ok || seen[pe.String()] {
			w.change(p) // not owned yet, or not clear which
			return
		}
		seen[pe.String()] = true
		i := indexIn(live, pe)
		order = append(order, i)
		var l any
		if i >= 0 {
			l = live[i]
		}
		w.item(append(p, pe), pe, d, l, i >= 0, owned)
	}
	// The order of a merged list is kept from what was applied.
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			w.change(p)
			break
		}
	}
	w.removed(p, owned, func(pe fieldpath.PathElement) bool { return seen[pe.String()] })
}

func (w *walk) removed(p fieldpath.Path, owned *fieldpath.Set, kept func(fieldpath.PathElement) bool) {
	for pe := range owned.Members.All() {
		if !kept(pe) {
			w.change(append(p, pe))
		}
	}
	for pe := range owned.Children.All() {
		if !kept(pe) && !owned.Members.Has(pe) {
			w.change(append(p, pe))
		}
	}
}

// keyDefaults are the keys of merged lists that the server knows a default of.
var keyDefaults = map[string]any{"protocol": "TCP"}

// elementOf finds the owned element that item d is. Fields of a key that d does
// not have were defaulted by the server, so they match anything; more than one
// match is no match.
func elementOf(d any, elements map[string]fieldpath.PathElement) (found fieldpath.PathElement, ok bool) {
	for _, pe := range elements {
		if !isElement(d, pe) {
			continue
		}
		if ok {
			return found, false
		}
		found, ok = pe, true
	}
	return found, ok
}

func isElement(item any, pe fieldpath.PathElement) bool {
	switch {
	case pe.Key != nil:
		m, ok := item.(map[string]any)
		if !ok {
			return false
		}
		matched := false
		for _, f := range *pe.Key {
			v, has := m[f.Name]
			if def, ok := keyDefaults[f.Name]; !has && ok {
				v, has = def, true
			}
			if !has {
				continue
			}
			if !value.Equals(f.Value, value.NewValueInterface(v)) {
				return false
			}
			matched = true
		}
		return matched
	case pe.Value != nil:
		switch item.(type) {
		case string, int64, float64, bool:
			return value.Equals(*pe.Value, value.NewValueInterface(item))
		}
	}
	return false
}

func indexIn(list []any, pe fieldpath.PathElement) int {
	for i, item := range list {
		if isElement(item, pe) {
			return i
		}
	}
	return -1
}

// sameValue compares a leaf, or what is owned whole. An owned field that live
// does not have was applied as an empty value, which the server does not store:
// another writer that removed it would have taken its ownership too.
func sameValue(p fieldpath.Path, desired, live any, has bool) bool {
	if !has {
		return isEmpty(desired)
	}
	return sameWhole(fieldNames(p), desired, live)
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
