package apply_test

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// checked says what Check finds, and fails when it writes.
func (e *env) checked(units ...apply.Unit) (severe, mild []string) {
	e.Helper()
	counted, sent := e.counted()
	found, err := counted.client().Check(e.ctx, units)
	check(e.T, err)
	sent.mu.Lock()
	defer sent.mu.Unlock()
	for _, s := range sent.sent {
		if !strings.HasPrefix(s, "GET") && !strings.HasPrefix(s, "DRYRUN") && !strings.Contains(s, "/selfsubjectrulesreviews") {
			e.Errorf("it sent %s", s)
		}
	}
	for _, f := range found {
		text := strings.TrimPrefix(f.Unit+": "+f.Message, ": ")
		if f.Diagnosis != nil {
			text = f.Diagnosis.String()
		}
		if f.Warning {
			mild = append(mild, text)
		} else {
			severe = append(severe, text)
		}
	}
	return severe, mild
}

// saysAll fails unless there is one text for each that is wanted.
func (e *env) saysAll(what string, said []string, want ...string) {
	e.Helper()
	if len(said) != len(want) {
		e.Errorf("%s: said %q", what, said)
	}
	for _, w := range want {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, w) }) {
			e.Errorf("%s: said %q, and not %q", what, said, w)
		}
	}
}

// All that a deploy would be refused for is found at once, without a write.
func TestCheckFindsAll(t *testing.T) {
	e := newEnv(t)
	severe, mild := e.checked(e.podless("web", "1"))
	e.saysAll("without the namespace", severe)
	e.saysAll("without the namespace", mild, "namespace "+e.ns+" does not exist yet")
	widget := e.object("web", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}")
	severe, _ = e.checked(apply.Unit{Name: "web", Objects: []*unstructured.Unstructured{widget}})
	e.saysAll("a kind that is not there", severe, "no kind Widget")

	e.namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}",
		"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {requests.memory: 80Mi}}")
	good := e.deployment("web", "1", "", "")
	severe, mild = e.checked(good)
	e.saysAll("good", severe)
	e.saysAll("good", mild)

	immutable := e.deployment("old", "0", "", "")
	e.mustDeploy(immutable)
	check(t, unstructured.SetNestedField(immutable.Objects[1].Object, "other", "spec", "selector", "matchLabels", "x"))
	check(t, unstructured.SetNestedField(immutable.Objects[1].Object, "other", "spec", "template", "metadata", "labels", "x"))
	calling := e.podless("calling", "1")
	calling.Calls = []apply.Call{{Name: "a", App: "nobody", Namespace: e.ns, Service: "a", Port: 1}}
	taken := apply.Unit{Name: "taken", Objects: []*unstructured.Unstructured{e.object("taken", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}")}}
	wrong := e.podless("wrong", "1")
	check(t, unstructured.SetNestedField(wrong.Objects[len(wrong.Objects)-1].Object, int64(-1), "spec", "replicas"))
	before := e.versions()
	severe, mild = e.checked(
		good, immutable, calling, taken, wrong,
		e.deployment("host", "1", "", "hostNetwork: true"),
		e.deployment("keys", "1", "env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}, {name: B, valueFrom: {secretKeyRef: {name: db, key: b}}}]", ""),
		e.deployment("large", "3", "", ""),
	)
	e.saysAll("bad", severe,
		"calling calls a of app nobody: it is not deployed",
		"old: Deployment old: spec.selector cannot be changed once it is there",
		"taken: ConfigMap theirs in namespace "+e.ns+" exists and is not managed by this app",
		"wrong: Deployment wrong: ",
		"host: AdmissionDenied: ",
		"keys: ConfigMissing: Secret db does not exist in namespace "+e.ns+" (its keys a, b are wanted)",
		"large: QuotaExceeded: quota team allows requests.memory 80Mi",
	)
	e.saysAll("bad", mild, "would violate PodSecurity")
	for name, was := range before {
		if e.versions()[name] != was {
			t.Errorf("%s changed", name)
		}
	}

	// Who may look at nothing is told so, and what a deploy would take.
	nobody := e.as("nobody", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	severe, mild = nobody.checked(good)
	nobody.saysAll("nobody", severe)
	for _, want := range []string{"not checked: not allowed to patch deployments.apps in namespace ", "not checked whether pods would be admitted", "a deploy by the same user would be refused: not allowed to get, create, update, delete leases.coordination.k8s.io"} {
		if !slices.ContainsFunc(mild, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("said %q, and not %q", mild, want)
		}
	}
}
