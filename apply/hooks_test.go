package apply_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// hook is a Job of a service's deploy, that refers to the service's ConfigMap if
// there is one. It exits at once.
func (e *env) hook(unit, name, phase, exit, config string, annotations ...string) *unstructured.Unstructured {
	labels := map[string]any{
		"app.kubernetes.io/part-of": e.owner.App, "app.kubernetes.io/managed-by": "shipit", "shipit.dev/task-of": unit,
	}
	env := []any{map[string]any{"name": "EXIT", "value": exit}}
	if config != "" {
		env = append(env, map[string]any{"name": "FROM", "valueFrom": map[string]any{"configMapKeyRef": map[string]any{"name": config, "key": "k"}}})
	}
	o := e.made(unit, "batch/v1", "Job", name, map[string]any{"spec": map[string]any{
		"backoffLimit": int64(0),
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec": map[string]any{
				"restartPolicy": "Never", "serviceAccountName": unit,
				"securityContext": map[string]any{"runAsNonRoot": true},
				"containers": []any{map[string]any{
					"name": "task", "image": e.image, "env": env,
					"resources": map[string]any{"requests": map[string]any{"cpu": "1m", "memory": "16Mi"}},
				}},
			},
		},
	}})
	o.SetAnnotations(map[string]string{"shipit.dev/phase": phase})
	for _, run := range annotations {
		o.SetAnnotations(map[string]string{"shipit.dev/phase": phase, "shipit.dev/run": run})
	}
	return o
}

// empty is a Job that is at its end at once: it has no pods.
func (e *env) empty(job *unstructured.Unstructured) *unstructured.Unstructured {
	e.Helper()
	check(e.T, unstructured.SetNestedField(job.Object, int64(0), "spec", "completions"))
	check(e.T, unstructured.SetNestedField(job.Object, int64(0), "spec", "parallelism"))
	return job
}

// What ran with a deploy is told with the service.
func TestStatusTellsHooks(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(with(e.podless("web", "1"), e.empty(e.hook("web", "migrate", "before", "0", "")), e.empty(e.hook("web", "warm", "after", "0", ""))))
	want := []apply.TaskStatus{{Name: "migrate", Phase: "before", State: apply.TaskCompleted}, {Name: "warm", Phase: "after", State: apply.TaskCompleted}}
	if s := e.status("web"); !slices.Equal(s.Tasks, want) || !s.Ready || s.Pods.Wanted != 0 {
		t.Errorf("status %+v", s)
	}
}

// config is a ConfigMap named by its content.
func (e *env) config(unit, name string) *unstructured.Unstructured {
	return e.made(unit, "v1", "ConfigMap", name, map[string]any{"immutable": true, "data": map[string]any{"k": name}})
}

func with(u apply.Unit, objects ...*unstructured.Unstructured) apply.Unit {
	u.Objects = append(slices.Clone(u.Objects), objects...)
	return u
}

// steps deploys and lists what was written, and when the unit was healthy.
func (e *env) steps(req apply.Request) ([]string, *apply.Result, error) {
	e.Helper()
	var steps []string
	res, err := e.deploy(e.ctx, req, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventApplied:
			steps = append(steps, string(ev.Action)+" "+ev.Object.String())
		case apply.EventHealthy:
			steps = append(steps, "healthy")
		}
	})
	return steps, res, err
}

func (e *env) before(steps []string, order ...string) {
	e.Helper()
	at := -1
	for _, s := range order {
		i := slices.Index(steps, s)
		if i <= at {
			e.Fatalf("%q is not in its place of %q in %q", s, order, steps)
		}
		at = i
	}
}

func (e *env) uid(name string) string {
	e.Helper()
	o, err := e.dyn.Resource(jobs).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	check(e.T, err)
	return string(o.GetUID())
}

// Hooks run at their place, once under one name, and not for a way back.
func TestHooks(t *testing.T) {
	e := newEnv(t)
	web := func(version string) apply.Unit {
		config := "web-" + version
		return with(e.unit(service{env: map[string]string{"VERSION": version}, config: config}), e.config("web", config),
			e.hook("web", "migrate-"+version, "before", "0", config), e.hook("web", "warm-"+version, "after", "0", ""),
			e.hook("web", "notify", "after", "0", "", "everyDeploy"))
	}
	request := func(version string) apply.Request { return apply.Request{Units: []apply.Unit{web(version)}} }
	steps, _, err := e.steps(request("1"))
	check(t, err)
	order := []string{"create ConfigMap web-1", "create Job migrate-1", "create Deployment web", "healthy", "create Job warm-1", "create Job notify"}
	e.before(steps, order...)
	if s := e.status("web"); !s.Ready || s.Pods.Wanted != 1 {
		t.Errorf("status %+v", s)
	}
	unchanged := func() {
		t.Helper()
		before := e.things(deployments, services, configMaps, secrets, leases, jobs)
		res, err := e.deploy(e.ctx, request("1"), nil)
		check(t, err)
		if after := e.things(deployments, services, configMaps, secrets, leases, jobs); res.Outcome != apply.Unchanged || !maps.Equal(before, after) {
			t.Errorf("outcome %s\nbefore %v\nafter  %v", res.Outcome, before, after)
		}
	}
	unchanged()

	notified := e.uid("notify")
	steps, _, err = e.steps(request("2"))
	check(t, err)
	e.before(steps, "create ConfigMap web-2", "create Job migrate-2", "update Deployment web", "healthy", "create Job warm-2", "create Job notify")
	if e.uid("notify") == notified {
		t.Error("the hook of every deploy did not run")
	}
	e.isGone(jobs, "migrate-1")

	// What has run is remembered: neither a rollback nor a deploy runs it again.
	_, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	check(t, err)
	for _, name := range []string{"migrate-1", "warm-1", "migrate-2", "warm-2"} {
		e.isGone(jobs, name)
	}
	unchanged()
	steps, _, err = e.steps(request("2"))
	check(t, err)
	for _, s := range steps {
		if strings.Contains(s, "migrate") || strings.Contains(s, "warm") {
			t.Errorf("%s, which had run", s)
		}
	}
}

// A hook that fails fails its unit, with its log, before anything that runs was
// touched; what ran before it is not run again.
func TestHookFails(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	before, pods := e.things(deployments), e.pods("web")
	web := func(exit, phase string) apply.Unit {
		return with(e.unit(service{env: map[string]string{"VERSION": "2"}}),
			e.hook("web", "first", "before", "0", ""), e.hook("web", "second-"+phase+exit, phase, exit, ""))
	}
	fails := func(req apply.Request, outcome apply.Outcome) []string {
		t.Helper()
		steps, res, err := e.steps(req)
		var rollout *apply.RolloutError
		if !errors.As(err, &rollout) || res.Outcome != outcome {
			t.Fatalf("outcome %s, error %v", res.Outcome, err)
		}
		d := res.Units[0].Diagnosis
		if d == nil || d.Code != apply.CodeJobFailed || d.Object.Kind != "Job" || !strings.Contains(strings.Join(d.Logs, "\n"), "told to exit with 3") {
			t.Errorf("diagnosis %+v", d)
		}
		return steps
	}
	steps := fails(apply.Request{Units: []apply.Unit{web("3", "before")}}, apply.RolledBack)
	e.before(steps, "create Job first", "create Job second-before3")
	if after := e.things(deployments); !maps.Equal(before, after) {
		t.Errorf("the Deployment was touched:\nbefore %v\nafter  %v", before, after)
	}
	e.samePods("web", pods)
	e.isGone(jobs, "first")
	e.isGone(jobs, "second-before3")
	e.isAt("web", 1)

	// Left as it is, the Job stays, and the next deploy runs it again.
	steps = fails(apply.Request{Units: []apply.Unit{web("3", "after")}, NoRollback: true}, apply.Failed)
	if slices.Contains(steps, "create Job first") {
		t.Errorf("what had run was run again: %q", steps)
	}
	failed := e.uid("second-after3")
	fails(apply.Request{Units: []apply.Unit{web("3", "after")}, NoRollback: true}, apply.Failed)
	if e.uid("second-after3") == failed {
		t.Error("the failed Job was not run again")
	}
	res := e.mustDeploy(web("0", "after"))
	e.isGone(jobs, "second-after3")
	e.ended(res)
}

// A task that a killed deploy left running is waited for: it does not run twice.
func TestHookLeftRunning(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	units := []apply.Unit{with(e.podless("web", "2"), e.hook("web", "migrate", "before", "", ""))} // it never ends
	job := func() (uid types.UID) {
		list, err := e.dyn.Resource(jobs).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
		check(t, err)
		for _, o := range list.Items {
			uid = o.GetUID()
		}
		return uid
	}
	c := e.child(childDeploy{Units: units})
	if !c.until(string(apply.EventWaiting)) {
		t.Fatalf("the first deploy says %q", c.said)
	}
	check(t, c.cmd.Process.Kill())
	c.wait()
	first := job()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	var second types.UID
	res, err := e.deploy(ctx, apply.Request{Units: units}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting && second == "" {
			second = job()
			cancel()
		}
	})
	if res.Outcome != apply.RolledBack || first == "" || second != first {
		t.Errorf("outcome %s, error %v, the Job was %s, is %s", res.Outcome, err, first, second)
	}
}
