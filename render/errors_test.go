package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// What Kubernetes has no form for is told at its place.
func TestFieldErrors(t *testing.T) {
	t.Parallel()
	for path, change := range map[string]func(*schema.App, *schema.Service){
		"services.web.workload": func(_ *schema.App, s *schema.Service) { s.Workload = "ReplicaSet" },
		"services.web.schedule": func(_ *schema.App, s *schema.Service) { s.Workload = schema.CronJob },
		"services.web.sidecars.proxy.resources.cpu": func(_ *schema.App, s *schema.Service) {
			s.Sidecars = []schema.Container{{Name: "proxy", Image: "proxy", Resources: schema.Resources{Requests: map[string]string{"cpu": "much"}}}}
		},
		"services.web.init.setup.mounts.gone": func(_ *schema.App, s *schema.Service) {
			s.Init = []schema.Container{{Name: "setup", Image: "setup", Mounts: []schema.Mount{{Volume: "gone", Path: "/x"}}}}
		},
		"services.web.jobs.before.migrate.env.A": func(_ *schema.App, s *schema.Service) {
			s.Before = []schema.Task{{Container: schema.Container{Name: "migrate", Image: "x", Env: []schema.EnvVar{{Name: "A", Config: &schema.KeyRef{Name: "gone"}}}}}}
		},
		"services.web.envFrom": func(_ *schema.App, s *schema.Service) { s.EnvFrom = []schema.EnvFrom{{Secret: "gone"}} },
		"services.web.autoscale.memory": func(_ *schema.App, s *schema.Service) {
			s.Autoscale = &schema.Autoscale{Max: 2, Memory: &schema.ScaleTarget{AverageValue: "much"}}
		},
		"services.web.autoscale.metrics.hits": func(_ *schema.App, s *schema.Service) {
			s.Autoscale = &schema.Autoscale{Max: 2, Metrics: []schema.Metric{{Name: "hits", Kind: "Pods"}}}
		},
		"services.web.autoscale.metrics.kind": func(_ *schema.App, s *schema.Service) {
			s.Autoscale = &schema.Autoscale{Max: 2, Metrics: []schema.Metric{{Name: "kind", Kind: "Nodes", Value: "1"}}}
		},
		"services.web.autoscale.behavior.scaleUp.tolerance": func(_ *schema.App, s *schema.Service) {
			s.Autoscale = &schema.Autoscale{Max: 2, Behavior: schema.Behavior{ScaleUp: &schema.ScalingRules{Tolerance: "much"}}}
		},
		"services.web.monitor.port": func(_ *schema.App, s *schema.Service) { s.Monitor = &schema.Monitor{Port: "gone"} },
		"services.web.callers.ops": func(_ *schema.App, s *schema.Service) {
			s.Callers = []schema.Caller{{Name: "ops", Namespace: "ops", Port: "gone"}}
		},
		"services.web.expose.public": func(_ *schema.App, s *schema.Service) {
			s.Expose = []schema.Expose{{Name: "public", Routes: []schema.Route{{Path: "/", Backends: []schema.Backend{{Service: "gone"}}}}}}
		},
		"services.web.expose.old.redirect": func(_ *schema.App, s *schema.Service) {
			s.Expose = []schema.Expose{{Name: "old", Redirect: &schema.Redirect{Scheme: "https"}}}
		},
		"quota.pods": func(a *schema.App, _ *schema.Service) { a.Quota = map[string]string{"pods": "many"} },
		"limits.default.cpu": func(a *schema.App, _ *schema.Service) {
			a.Limits = &schema.Limits{Default: map[string]string{"cpu": "many"}}
		},
	} {
		s := &schema.Service{Name: "web", Image: "web", Ports: httpPorts}
		app := &schema.App{Name: "app", Network: schema.Network{Policy: true}, Services: []*schema.Service{s}}
		change(app, s)
		_, err := Render(app, Options{})
		var field *FieldError
		if !errors.As(err, &field) || field.Path != path {
			t.Errorf("got %v, want an error at %s", err, path)
		}
	}
}

// A patch that says otherwise than shipit is refused, and one of a Job does its
// work before the Job is named by what it runs.
func TestPatch(t *testing.T) {
	t.Parallel()
	app, opts := platform()
	app.Services[0].Patch[0].Data = map[string]any{"spec": map[string]any{"replicas": int64(7)}}
	_, err := Render(app, opts)
	var conflict *schema.Error
	if !errors.As(err, &conflict) || !strings.Contains(conflict.Message, "replicas") {
		t.Errorf("got %v", err)
	}
	app, opts = workloads()
	before := tasksOf(t, app, opts)
	app.Service("web").Patch = []schema.Patch{{
		Kind: "Job", Name: "web-migrate", Path: "services.web.patch.Job",
		Data: map[string]any{"spec": map[string]any{"suspend": true}},
	}}
	after := tasksOf(t, app, opts)
	if after["migrate"].GetName() == before["migrate"].GetName() || after["seed"].GetName() != before["seed"].GetName() {
		t.Errorf("got %s and %s", after["migrate"].GetName(), after["seed"].GetName())
	}
}

// Raw objects live where the app does, unless they live in no namespace, and are
// the app's by their labels; the user's labels stay, but for those.
func TestRawObjects(t *testing.T) {
	t.Parallel()
	app, opts := platform()
	opts.Only = []string{AppUnit}
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range units[0].Objects {
		got = append(got, o.GetKind()+" "+o.GetNamespace())
		labels := o.GetLabels()
		if labels[LabelPartOf] != "platform" || labels[LabelManagedBy] != ManagedBy || labels[LabelName] != "" {
			t.Errorf("%s has %v", o.GetKind(), labels)
		}
		if want := map[bool]string{true: "mine", false: "core"}[o.GetKind() == "Widget"]; labels["team"] != want {
			t.Errorf("%s is of the team %q, want %q", o.GetKind(), labels["team"], want)
		}
	}
	want := "CustomResourceDefinition , ResourceQuota platform, LimitRange platform, ConfigMap platform, ClusterRole , Widget "
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}
