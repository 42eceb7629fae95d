package main

import (
	"fmt"
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

// adjust brings what the specification demands in line with what the API server
// does. The specification follows from Go tags, which say nothing of the
// server's defaults and little of its validation. The test of mutations compares
// the result with a real API server.
func (s *spec) adjust() error {
	for typ, fields := range notRequired() {
		x := s.schemas[typ]
		if x == nil {
			continue
		}
		x.Required = slices.DeleteFunc(x.Required, func(f string) bool { return slices.Contains(fields, f) })
	}
	for typ, fields := range required() {
		x := s.schemas[typ]
		if x == nil {
			return fmt.Errorf("there is no %s", typ)
		}
		for _, f := range fields {
			if x.Properties[f] == nil {
				return fmt.Errorf("%s has no field %s", typ, f)
			}
			if !slices.Contains(x.Required, f) {
				x.Required = append(x.Required, f)
			}
		}
	}
	return nil
}

const core = "io.k8s.api.core.v1."

// notRequired are fields for which the server has a default, or takes the empty
// value as good.
func notRequired() map[string][]string {
	return map[string][]string{
		"io.k8s.api.rbac.v1.RoleRef":               {"apiGroup"},
		core + "PreferredSchedulingTerm":           {"preference"},
		core + "SleepAction":                       {"seconds"},
		core + "HTTPHeader":                        {"value"},
		core + "Sysctl":                            {"value"},
		core + "LimitRangeSpec":                    {"limits"},
		core + "ISCSIVolumeSource":                 {"lun"},
		core + "ISCSIPersistentVolumeSource":       {"lun"},
		"io.k8s.api.discovery.v1.ForZone":          {"name"},
		"io.k8s.api.discovery.v1.ForNode":          {"name"},
		"io.k8s.api.batch.v1.PodFailurePolicy":     {"rules"},
		"io.k8s.api.apps.v1.ControllerRevision":    {"revision"},
		"io.k8s.api.resource.v1.ResourcePool":      {"generation"},
		"io.k8s.api.resource.v1beta1.ResourcePool": {"generation"},
		"io.k8s.api.resource.v1beta2.ResourcePool": {"generation"},
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion": {"served"},
	}
}

// required are fields that the server always asks for, and the specification
// does not.
func required() map[string][]string {
	operations := []string{"apiGroups", "apiVersions", "operations", "resources"}
	return map[string][]string{
		core + "Container":                                            {"image"},
		core + "ConfigMapEnvSource":                                   {"name"},
		core + "SecretEnvSource":                                      {"name"},
		core + "ConfigMapKeySelector":                                 {"name"},
		core + "SecretKeySelector":                                    {"name"},
		core + "ConfigMapVolumeSource":                                {"name"},
		core + "SecretVolumeSource":                                   {"secretName"},
		core + "EphemeralVolumeSource":                                {"volumeClaimTemplate"},
		core + "ExecAction":                                           {"command"},
		core + "PersistentVolumeClaimSpec":                            {"accessModes"},
		core + "PersistentVolumeSpec":                                 {"accessModes", "capacity"},
		"io.k8s.api.networking.v1.IngressClassSpec":                   {"controller"},
		"io.k8s.api.admissionregistration.v1.RuleWithOperations":      operations,
		"io.k8s.api.admissionregistration.v1.NamedRuleWithOperations": operations,
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion": {"schema"},
	}
}
