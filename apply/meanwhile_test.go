package apply

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply/health"
)

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	must(t, o.UnmarshalJSON(data))
	return o
}

// What somebody else changed of an object since it was applied is found by what this app
// owns, and by all that its pods are made of.
func TestChangedSince(t *testing.T) {
	t.Parallel()
	const web = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {part: shop}
  generation: 1
  managedFields:
  - manager: shipit/n/shop
    operation: Apply
    fieldsType: FieldsV1
    fieldsV1: {"f:metadata": {"f:labels": {"f:part": {}}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}, "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}}}}}}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: a
        env: [{name: A, value: "1"}]
        terminationMessagePath: /dev/termination-log
`
	const kubectl = `
  - manager: kubectl-set
    operation: Update
    fieldsType: FieldsV1
    fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:env": {'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}}}}}}}}
spec:`
	const config = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: c
  managedFields:
  - {manager: shipit/n/shop, operation: Apply, fieldsType: FieldsV1, fieldsV1: {"f:data": {"f:a": {}}}}
data: {a: "1"}
`
	replace := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	next := []string{"generation: 1", "generation: 2"}
	tests := []struct {
		name, was, is, want string
	}{
		{"nothing", web, web, ""},
		{"another spec of the same generation cannot be", web, replace(web, "replicas: 2", "replicas: 3"), ""},
		{"a label", web, replace(web, "part: shop", "part: mine"), ".metadata.labels.part was applied as shop and is mine"},
		{"scaled to nothing", web, replace(web, append(next, "replicas: 2", "replicas: 0")...), ".spec.replicas was applied as 2 and is 0"},
		{"a variable", web, replace(web, append(next, `value: "1"`, `value: "2"`)...), `.spec.template.spec.containers[name="web"].env[name="A"].value was applied as 1 and is 2`},
		{"a variable that is gone", web, replace(web, append(next, `{name: A, value: "1"}`, "")...), "is not as it was applied"},
		{"a variable more", web, replace(web, append(next, `value: "1"}`, `value: "1"}, {name: B, value: "2"}`, "\nspec:", kubectl)...), `env[name="B"]`},
		{"what nobody owns, in the pods", web, replace(web, append(next, "/dev/termination-log", "/log")...), ".spec.template.spec is not as it was applied"},
		{"restarted by hand", web, replace(web, append(next, "labels: {app: web}", "labels: {app: web}, annotations: {kubectl.kubernetes.io/restartedAt: now}")...), ""},
		{"a field of another", web, replace(web, append(next, "replicas: 2", "replicas: 2\n  paused: true")...), ""},
		{"a queue of Jobs", replace(web, "apps/v1", "batch/v1", "Deployment", "Job"), replace(web, append(next, "apps/v1", "batch/v1", "Deployment", "Job", `value: "1"`, `value: "2"`)...), ""},
		{"configuration", config, replace(config, `a: "1"`, `a: "2"`), ".data.a was applied as 1 and is 2"},
		{"configuration of another", config, replace(config, `a: "1"`, `a: "1", b: "2"`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if c := changedSince(read(t, tt.was), read(t, tt.is), "shipit/n/shop"); c != nil {
				got = c.String()
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A Job that has ended is judged by how it ended, though its time to live, or
// somebody, removes it by then; one that runs and is removed is gone.
func TestRemovedJob(t *testing.T) {
	t.Parallel()
	const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, uid: u1, resourceVersion: "1", deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [foregroundDeletion]}
spec: {backoffLimit: 0}
`
	condition := func(kind string) string {
		return job + "status: {conditions: [{type: " + kind + ", status: \"True\", message: it has}]}\n"
	}
	for _, tt := range []struct {
		name, now string
		healthy   bool
		code      Code
	}{
		{"completed", condition("Complete"), true, ""},
		{"failed", condition("Failed"), false, CodeJobFailed},
		{"failing", condition("FailureTarget"), false, CodeJobFailed},
		{"running", job, false, CodeGone},
		{"another of its name completed", strings.ReplaceAll(condition("Complete"), "u1", "u2"), false, CodeGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := read(t, tt.now)
			a := awaited{ref: refOf(o), applied: read(t, job)}
			v := (&waiter{c: &Client{}}).verdict(a, health.NewWorkload(o, nil, nil))
			code := Code("")
			if len(v.Problems) > 0 {
				code = v.Problems[0].Code
			}
			if v.Healthy != tt.healthy || code != tt.code {
				t.Errorf("healthy %v, %q", v.Healthy, code)
			}
		})
	}
}
