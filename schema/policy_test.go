package schema_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

const patched = `package shop
import ("shipit.dev/v1", "strings")

v1.#App & {
	name: "shop"
	services: web: {
		image: "nginx"
		patch: Deployment: spec: {
			template: spec: {
				containers: web: terminationMessagePolicy: "FallbackToLogsOnError"
				volumes: token: emptyDir: {}
				hostname: "web"
			}
			replicas: 2
		}
		patch: "ConfigMap/web-app": metadata: labels: only: "app"
	}
	services: conflict: {
		image: "nginx"
		patch: Deployment: spec: replicas: 3
		patch: Service: spec: ports: [{}, {}]
		patch: Ingress: spec: rules: "x"
	}
	environments: prod: policy: images: {
		rule: spec: template: spec: containers: [...{image: =~"^registry.example.com/", ...}]
		message: "use our registry"
	}
	policy: replicas: {
		kinds: ["Deployment"]
		rule: {spec: replicas: >=2, metadata: labels: team: string, metadata: name: strings.MaxRunes(10)}
		message:  "have two replicas, and a team"
		severity: "warning"
	}
}

`

func deployment() map[string]any {
	var o map[string]any
	err := json.Unmarshal([]byte(`{"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "template": {"spec": {
		"containers": [{"name": "web", "image": "nginx"}], "volumes": [{"name": "tmp"}]}}}}`), &o)
	if err != nil {
		panic(err)
	}
	return o
}

func TestPatch(t *testing.T) {
	t.Parallel()
	app, err := schema.Load(t.Context(), project(t, patched), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	object := deployment()
	got, err := app.Patch("web", "Deployment", object)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(object, deployment()) {
		t.Errorf("the object was changed: %v", object)
	}
	pod := got["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	want := map[string]any{
		"containers": []any{map[string]any{"name": "web", "image": "nginx", "terminationMessagePolicy": "FallbackToLogsOnError"}},
		"volumes":    []any{map[string]any{"name": "tmp"}, map[string]any{"name": "token", "emptyDir": map[string]any{}}},
		"hostname":   "web",
	}
	if !reflect.DeepEqual(pod, want) {
		t.Errorf("the pod is %v, want %v", pod, want)
	}
	for name, want := range map[string]int{"web-app": 1, "web-other": 0} {
		got, err := app.Patch("web", "ConfigMap", map[string]any{"metadata": map[string]any{"name": name}})
		if err != nil {
			t.Fatal(err)
		}
		labels, _ := got["metadata"].(map[string]any)["labels"].(map[string]any)
		if len(labels) != want {
			t.Errorf("%s has the labels %v", name, labels)
		}
	}
	for kind, c := range map[string]struct {
		object map[string]any
		want   string
	}{
		"Deployment": {deployment(), `shop.cue:20:38: services.conflict.patch.Deployment.spec.replicas is 3, but shipit makes it 2`},
		"Service":    {map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"name": "http"}}}}, `shop.cue:21:32: services.conflict.patch.Service.spec.ports cannot be combined with the list that shipit makes`},
		"Ingress":    {map[string]any{"spec": map[string]any{"rules": []any{}}}, `cannot be combined with the list`},
	} {
		_, err := app.Patch("conflict", kind, c.object)
		var told *schema.Error
		if !errors.As(err, &told) || !strings.Contains(err.Error(), c.want) || told.Rule != "patch-conflict" || told.Severity != rule.Error {
			t.Errorf("%s: %v, want %s", kind, err, c.want)
		}
	}
}

func TestCheckPolicies(t *testing.T) {
	t.Parallel()
	dir := project(t, patched)
	text := func(opts schema.Options, unit string, objects ...map[string]any) string {
		t.Helper()
		app, err := schema.Load(t.Context(), dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, e := range app.CheckPolicies(unit, objects) {
			b.WriteString(string(e.Severity) + " " + e.Rule + " " + e.Text() + "\n")
		}
		return b.String()
	}
	bad := deployment()
	bad["metadata"] = map[string]any{"name": "a-name-that-is-long"}
	bad["spec"].(map[string]any)["replicas"] = int64(1)
	for _, c := range []struct {
		env, unit string
		object    map[string]any
		want      string
	}{
		{"", "web", map[string]any{"kind": "Service"}, ""},
		{"", "web", deployment(), `warning policy/replicas shop.cue:6:12: the Deployment "web" breaks the policy replicas
    metadata.labels.team is missing
    also: shop.cue:28:10
    hint: have two replicas, and a team
`},
		{"", "", bad, `warning policy/replicas shop.cue:4:1: the Deployment "a-name-that-is-long" breaks the policy replicas
    metadata.name is "a-name-that-is-long", but must be strings.MaxRunes(10); spec.replicas is 1, but must be >=2
    also: shop.cue:28:10
    hint: have two replicas, and a team
`},
		{"prod", "web", deployment(), `error policy/images shop.cue:6:12: the Deployment "web" breaks the policy images
    spec.template.spec.containers.0.image is "nginx", but must be =~"^registry.example.com/"
    also: shop.cue:24:30
    hint: use our registry
warning policy/replicas shop.cue:6:12: the Deployment "web" breaks the policy replicas
    metadata.labels.team is missing
    also: shop.cue:28:10
    hint: have two replicas, and a team
`},
	} {
		if got := text(schema.Options{Environment: c.env}, c.unit, c.object); got != c.want {
			t.Errorf("%q %q: it says\n%swant\n%s", c.env, c.unit, got, c.want)
		}
	}
}
