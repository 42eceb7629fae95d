package openapi_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/openapi"
)

// Every rule that a finding names is explained, and has the severity it is told
// to have.
func TestRules(t *testing.T) {
	rules := openapi.Rules()
	if !slices.IsSortedFunc(rules, func(a, b openapi.Rule) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the rules are not in order")
	}
	known := map[string]openapi.Severity{}
	for _, r := range rules {
		known[r.Name] = r.Severity
		if !strings.HasPrefix(r.Name, "kubernetes-") || r.Summary == "" || r.Why == "" || r.Example == "" {
			t.Errorf("an unfinished rule: %+v", r)
		}
	}
	seen := map[string]bool{}
	for _, v := range verdicts(t) {
		for _, f := range judge(t, parse(t, v.yaml)[0]) {
			seen[f.Rule] = true
			if known[f.Rule] != f.Severity {
				t.Errorf("%s is %q here, and %q in the rules", f.Rule, f.Severity, known[f.Rule])
			}
		}
	}
	for name := range known {
		if !seen[name] && name != openapi.NewerAPI {
			t.Errorf("no verdict shows %s", name)
		}
	}
}

// Versions differ in kinds, in fields and in values.
func TestVersionsDiffer(t *testing.T) {
	const claim = "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: a}\nspec: {}"
	const policy = "apiVersion: admissionregistration.k8s.io/v1beta1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: a}"
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostnameOverride: b
  containers: [{name: a, image: a}]
`
	for _, test := range []struct{ version, yaml, want string }{
		{"1.33", claim, "newer-api: : resource.k8s.io/v1 ResourceClaim is served from Kubernetes 1.34 on (the target version is 1.33) => use resource.k8s.io/v1beta2 ResourceClaim\n"},
		{"1.34", claim, ""},
		{"1.33", policy, "deprecated-api: : admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicyBinding is deprecated since Kubernetes 1.31 (it is no longer served from 1.34 on) => use admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding\n" +
			"optional-api: : admissionregistration.k8s.io/v1beta1 is a beta API, which is off by default (the API server serves it only when started with --runtime-config) => use admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding\n"},
		{"1.36", policy, "removed-api: : admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicyBinding was removed in Kubernetes 1.34 (the target version is 1.36) => use admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding\n"},
		{"1.33", pod, "unknown-field: spec.hostnameOverride: Kubernetes 1.33 has no field \"hostnameOverride\" here (it is known from 1.34 on)\n"},
		{"1.35", pod, ""},
	} {
		got := text(validator(t, test.version).Validate(parse(t, test.yaml)))
		if got != test.want {
			t.Errorf("%s:\ngot  %swant %s", test.version, got, test.want)
		}
	}
}

// Objects that are none are told of, and nothing of them is changed.
func TestOddObjects(t *testing.T) {
	for name, test := range map[string]struct {
		fields map[string]any
		want   string
	}{
		"nothing":     {nil, "missing-field: apiVersion: the object has no apiVersion\nmissing-field: kind: the object has no kind\n"},
		"no kind":     {map[string]any{"apiVersion": "v1"}, "missing-field: kind: the object has no kind\n"},
		"no name":     {map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}, "missing-field: metadata.name: the object has no name\n"},
		"Go integers": {map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{"ports": []any{map[string]any{"port": 80, "targetPort": int32(8080)}}}}, ""},
		"a list":      {map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{}}, "unknown-kind: : v1 has no kind List => give its items as objects of their own\n"},
	} {
		o := &unstructured.Unstructured{Object: test.fields}
		if got := text(validator(t, "1.36").Validate([]*unstructured.Unstructured{o})); got != test.want {
			t.Errorf("%s:\ngot  %swant %s", name, got, test.want)
		}
	}
}
