package openapi

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Validator checks objects against one version of Kubernetes. It is safe for
// concurrent use.
type Validator struct {
	model *model
}

// New gives the validator for a version of Kubernetes, such as "1.34". A version
// that is not known is a *VersionError.
func New(version string) (*Validator, error) {
	m, err := modelOf(version)
	if err != nil {
		return nil, err
	}
	return &Validator{model: m}, nil
}

// Validate says what is wrong with objects, in their order. It changes nothing.
func (v *Validator) Validate(objects []*unstructured.Unstructured) []Finding {
	var found []Finding
	for i, o := range objects {
		w := &walk{model: v.model, number: i, object: o}
		w.all()
		id := Finding{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
		for _, f := range w.found {
			f.APIVersion, f.Kind, f.Namespace, f.Name = id.APIVersion, id.Kind, id.Namespace, id.Name
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
	if k := w.kindOf(id); k != nil {
		w.builtin(k)
	}
}
