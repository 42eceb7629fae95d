package main

import (
	"slices"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// goneBefore are the kinds that were removed together with their Go types, so
// that no lifecycle method tells of them. Source: Kubernetes' deprecated API
// migration guide.
func goneBefore() map[gvk]table.Kind {
	gone := func(group, version, kind string, deprecated, removed int, replacement string) table.Kind {
		return table.Kind{Group: group, Version: version, Kind: kind, Def: -1,
			Deprecated: deprecated, Removed: removed, Replacement: replacement}
	}
	kinds := []table.Kind{
		gone("policy", "v1beta1", "PodSecurityPolicy", 21, 25, ""),
		gone("extensions", "v1beta1", "PodSecurityPolicy", 10, 16, ""),
		gone("autoscaling", "v2beta1", "HorizontalPodAutoscaler", 22, 25, "autoscaling/v2 HorizontalPodAutoscaler"),
		gone("autoscaling", "v2beta2", "HorizontalPodAutoscaler", 23, 26, "autoscaling/v2 HorizontalPodAutoscaler"),
		gone("batch", "v2alpha1", "CronJob", 8, 21, "batch/v1 CronJob"),
		gone("apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition", 16, 22,
			"apiextensions.k8s.io/v1 CustomResourceDefinition"),
	}
	out := map[gvk]table.Kind{}
	for _, k := range kinds {
		out[gvk{k.Group, k.Version, k.Kind}] = k
	}
	return out
}

// onlyDeprecated are kinds that the API server warns of although no lifecycle
// method says so. Source: KEP-4974.
func onlyDeprecated() map[gvk]lifecycle {
	return map[gvk]lifecycle{
		{"", "v1", "Endpoints"}: {deprecated: 33, replacement: "discovery.k8s.io/v1 EndpointSlice"},
	}
}

// relax takes back what the specification demands and the API server does not:
// it fills in a default before it looks.
func (s *spec) relax() {
	for name, fields := range notRequired() {
		if x := s.schemas[name]; x != nil {
			x.Required = slices.DeleteFunc(x.Required, func(f string) bool { return slices.Contains(fields, f) })
		}
	}
}

// notRequired are those fields. A test compares them with a real API server.
func notRequired() map[string][]string {
	return map[string][]string{
		"io.k8s.api.rbac.v1.RoleRef": {"apiGroup"},
	}
}
