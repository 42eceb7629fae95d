package openapi

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Validator checks objects against one version of Kubernetes. It is safe for
// concurrent use.
type Validator struct {
	model       *model
	definitions definitions
}

// New gives the validator for a version of Kubernetes, such as "1.34", that knows
// the custom resources of some CustomResourceDefinitions; other objects among them
// are passed over. They must not be changed afterwards. A version that is not
// known is a *VersionError.
func New(version string, crds ...*unstructured.Unstructured) (*Validator, error) {
	m, err := modelOf(version)
	if err != nil {
		return nil, err
	}
	v := &Validator{model: m, definitions: definitions{}}
	for _, o := range crds {
		v.definitions.add(o)
	}
	return v, nil
}

// Validate says what is wrong with objects, in their order. It changes nothing.
// CustomResourceDefinitions among the objects are known for the others, and are
// checked themselves. CEL rules end at the API server's limit of cost,
// about a second for an object.
func (v *Validator) Validate(objects []*unstructured.Unstructured) []Finding {
	known := v.definitions
	if slices.ContainsFunc(objects, isDefinition) {
		known = maps.Clone(known)
		for _, o := range objects {
			known.add(o)
		}
	}
	var found []Finding
	for i, o := range objects {
		w := &walk{model: v.model, definitions: known, number: i, object: o}
		w.all()
		for _, f := range w.found {
			f.APIVersion, f.Kind, f.Namespace, f.Name = o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()
			found = append(found, f)
		}
	}
	slices.SortFunc(found, compare)
	return found
}

// all checks the object of w.
func (w *walk) all() {
	id := splitAPIVersion(w.object.GetAPIVersion(), w.object.GetKind())
	for field, text := range map[string]string{"apiVersion": w.object.GetAPIVersion(), "kind": id.kind} {
		if text == "" {
			w.reportAt(Path{{Name: field}}, MissingField, "the object has no "+field, "", "")
		}
	}
	if len(w.found) > 0 {
		return
	}
	own := groupKind{id.group, id.kind}
	if _, builtin := w.model.kinds[id]; !builtin {
		if d := w.definitions[own]; d != nil {
			if k := w.customKindOf(id, d); k != nil {
				w.custom(k)
			}
			return
		}
	}
	k := w.kindOf(id)
	if k == nil {
		return
	}
	w.builtin(k)
	if isDefinition(w.object) && len(w.found) == 0 {
		w.definition(&definition{object: w.object})
	}
}
