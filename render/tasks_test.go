package render

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/schema"
)

// taskOf gives the Jobs of a service's tasks by the task's name.
func tasksOf(t *testing.T, app *schema.App, opts Options) map[string]*unstructured.Unstructured {
	t.Helper()
	found := map[string]*unstructured.Unstructured{}
	for _, o := range find(t, app, opts, "Job") {
		if task := o.GetLabels()[LabelTask]; task != "" {
			found[task] = o
		}
	}
	return found
}

// A task says when it runs, comes before the workload in its unit, and its pods
// are nobody's but its own.
func TestTasks(t *testing.T) {
	t.Parallel()
	app, opts := workloads()
	tasks := tasksOf(t, app, opts)
	for task, want := range map[string]string{
		"migrate": "before change web " + image("web"),
		"seed":    "after everyDeploy web " + image("seed"),
	} {
		o := tasks[task]
		pod := template(t, o)
		got := strings.Join([]string{o.GetAnnotations()[AnnotationPhase], o.GetAnnotations()[AnnotationRun], o.GetLabels()[LabelName], pod.Spec.Containers[0].Image}, " ")
		if got != want {
			t.Errorf("%s: got %s, want %s", task, got, want)
		}
		if pod.Labels[LabelName] != "" || pod.Labels[LabelTaskOf] != "web" || pod.Labels[LabelPartOf] != app.Name {
			t.Errorf("%s: its pods have %v", task, pod.Labels)
		}
	}
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	web := units[len(units)-1]
	var kinds []string
	for _, o := range web.Objects {
		kinds = append(kinds, o.GetKind())
	}
	if got := kinds[len(kinds)-3:]; web.Name != "web" || !slices.Equal(got, []string{"Job", "Job", "Deployment"}) {
		t.Errorf("%s ends with %v", web.Name, got)
	}
}

// A task is another when what it runs is, and when its phase is; not when its
// workload is, or the time at which it runs again.
func TestTaskName(t *testing.T) {
	t.Parallel()
	name := func(change func(*schema.Service, Options)) string {
		t.Helper()
		app, opts := workloads()
		change(app.Service("web"), opts)
		return tasksOf(t, app, opts)["migrate"].GetName()
	}
	first := name(func(*schema.Service, Options) {})
	for what, change := range map[string]func(*schema.Service, Options){
		"replicas":     func(s *schema.Service, _ Options) { s.Replicas++ },
		"another task": func(s *schema.Service, _ Options) { s.After = nil },
		"its run":      func(s *schema.Service, _ Options) { s.Before[0].RunOn = schema.EveryDeploy },
		"a sidecar":    func(_ *schema.Service, o Options) { o.Images["web.sidecars.proxy"] = image("other") },
	} {
		if name(change) != first {
			t.Errorf("%s makes another task", what)
		}
	}
	for what, change := range map[string]func(*schema.Service, Options){
		"the image":     func(_ *schema.Service, o Options) { o.Images["web"] = image("other") },
		"its own image": func(_ *schema.Service, o Options) { o.Images["web.jobs.before.migrate"] = image("other") },
		"its arguments": func(s *schema.Service, _ Options) { s.Before[0].Args = []string{"down"} },
		"a config":      func(s *schema.Service, _ Options) { s.Config[0].Data = map[string]string{"LEVEL": "x"} },
		"its phase":     func(s *schema.Service, _ Options) { s.Before, s.After = nil, s.Before },
	} {
		if name(change) == first {
			t.Errorf("%s is changed, but the task is the same", what)
		}
	}
}

// All that a task before the workload needs has a name of its own when it
// changes, but for the account: nothing that old pods live by is touched.
func TestTaskNeedsOnlyNewObjects(t *testing.T) {
	t.Parallel()
	app, opts := workloads()
	policies := func() (names []string) {
		for _, o := range find(t, app, opts, "NetworkPolicy") {
			if strings.HasPrefix(o.GetName(), "web-tasks-") {
				names = append(names, o.GetName())
			}
		}
		return names
	}
	before := policies()
	web := app.Service("web")
	web.Calls = append(web.Calls, schema.Call{Name: "agent", Service: "agent", Target: "health", Port: 8081, Scheme: "http"})
	after := policies()
	if len(before) != 2 || len(after) != 3 || !slices.Contains(after, before[1]) || slices.Contains(after, before[0]) {
		t.Errorf("got %v, and then %v", before, after)
	}
}

func TestMissingImages(t *testing.T) {
	t.Parallel()
	app, opts := workloads()
	for key, want := range map[string]string{"web": "", "web.sidecars.proxy": "sidecars.proxy"} {
		reduced := Options{Images: map[string]string{}}
		for k, v := range opts.Images {
			if k != key {
				reduced.Images[k] = v
			}
		}
		_, err := Render(app, reduced)
		var missing *MissingImageError
		if !errors.As(err, &missing) || missing.Service != "web" || missing.Container != want {
			t.Errorf("without %s: got %v", key, err)
		}
	}
}

// The number of pods that an autoscaler owns is told, with what it starts at.
func TestYielded(t *testing.T) {
	t.Parallel()
	app, opts := scaled()
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	if cache := units[0]; cache.Name != "cache" || cache.Yielded != nil {
		t.Errorf("got %+v", cache.Yielded)
	}
	web := units[1]
	if y := web.Yielded; y == nil || *y != (Yielded{Kind: "Deployment", Name: "web", Replicas: 3}) {
		t.Errorf("got %+v", y)
	}
	replicas, ok, err := unstructured.NestedInt64(web.Objects[len(web.Objects)-1].Object, "spec", "replicas")
	if err != nil || !ok || replicas != 3 {
		t.Errorf("got %d, %t, %v", replicas, ok, err)
	}
}
