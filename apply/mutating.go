package apply

import (
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func admissionResource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: name}
}

// isUnserved reports whether the server does not know the kind.
func isUnserved(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// matchesResource reports whether a rule of a webhook configuration or of an
// admission policy, wherever it is in v, is for a resource.
func matchesResource(v any, group, resource string) bool {
	switch v := v.(type) {
	case map[string]any:
		groups, isRule := v["apiGroups"].([]any)
		resources, _ := v["resources"].([]any)
		has := func(list []any, what string) bool {
			return slices.Contains(list, any(what)) || slices.Contains(list, any("*"))
		}
		if isRule && has(groups, group) && (has(resources, resource) || slices.Contains(resources, any("*/*"))) {
			return true
		}
		for _, e := range v {
			if matchesResource(e, group, resource) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return matchesResource(e, group, resource) })
	}
	return false
}
