package apply_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

func fromUnstructured(o *unstructured.Unstructured, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into)
}

// A service becomes healthy, a second deploy writes nothing at all, a third
// changes only what changed.
func TestDeployTwiceAndChange(t *testing.T) {
	e := newEnv(t)
	u := e.unit(service{replicas: 2, env: map[string]string{"VERSION": "1", "EMPTY": ""}})
	res := e.mustDeploy(u)
	if r := res.Units[0]; r.Release != 1 || r.Previous != 0 || r.Pods.Ready != 2 || !slices.Equal(r.Images, []string{e.image}) {
		t.Errorf("first result: %+v", r)
	}
	if s := e.status("web"); !s.Ready || s.Release != 1 || s.Healthy != 1 || s.State != apply.StateDeployed || s.Diagnosis != nil {
		t.Errorf("status: %+v", s)
	}

	before := e.versions()
	start := time.Now()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
	check(t, err)
	t.Logf("unchanged in %s", time.Since(start))
	if res.Outcome != apply.Unchanged || res.DeployID != "" || res.Units[0].Outcome != apply.Unchanged {
		t.Errorf("second result: %+v", res)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("the second deploy changed something:\nbefore %v\nafter  %v", before, after)
	}

	res = e.mustDeploy(e.unit(service{replicas: 2, env: map[string]string{"VERSION": "2", "EMPTY": ""}}))
	after := e.versions()
	for _, name := range []string{"Service web", "ServiceAccount web"} {
		if before[name] != after[name] {
			t.Errorf("%s was changed", name)
		}
	}
	want := []string{`.spec.template.spec.containers[name="web"].env[name="VERSION"].value`}
	i := slices.IndexFunc(res.Units[0].Objects, func(o apply.ObjectResult) bool { return o.Object.Kind == "Deployment" })
	if o := res.Units[0].Objects[i]; o.Action != apply.ActionUpdate || !slices.Equal(o.Fields, want) {
		t.Errorf("changed fields: %+v, want %q", o, want)
	}
	history, err := e.history("web")
	check(t, err)
	if len(history) != 2 || history[0].Number != 2 || !history[0].Current || history[0].Outcome != apply.Deployed || history[1].Current {
		t.Errorf("history: %+v", history)
	}
}

// Each kind of broken release is diagnosed and put back, with the old pods left
// alone.
func TestBrokenReleases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		broken  func(*env) service
		timeout time.Duration
		code    apply.Code
		field   string
		message string
		log     string
	}{
		{
			name: "image digest that nobody has",
			broken: func(e *env) service {
				repo, _, _ := strings.Cut(e.image, "@")
				return service{image: repo + "@sha256:" + strings.Repeat("0", 64)}
			},
			code: apply.CodeImagePull, field: "image", message: "not found",
		},
		{
			name:   "exits at once",
			broken: func(*env) service { return service{env: map[string]string{"EXIT": "3"}} },
			code:   apply.CodeCrashLoop, field: "command", message: "exited with code 3", log: "fatal: told to exit with 3",
		},
		{
			// Without a probe a container is ready from its first moment; what keeps
			// the old pods is minReadySeconds.
			name:   "exits at once and has no probe",
			broken: func(*env) service { return service{env: map[string]string{"EXIT": "1"}, noProbe: true} },
			code:   apply.CodeCrashLoop, field: "command", message: "exited with code 1", log: "fatal: told to exit with 1",
		},
		{
			name:   "no such command",
			broken: func(*env) service { return service{command: "/nope"} },
			code:   apply.CodeCrashLoop, field: "command", message: "/nope",
		},
		{
			name:   "never ready",
			broken: func(*env) service { return service{env: map[string]string{"UNREADY": "503"}} },
			code:   apply.CodeProbeFailing, field: "probes.readiness", message: "HTTP probe failed with statuscode: 503", log: "not ready: told to be so",
		},
		{
			name:    "not ready within the timeout",
			broken:  func(*env) service { return service{env: map[string]string{"UNREADY": "500"}} },
			timeout: 25 * time.Second,
			code:    apply.CodeProbeFailing, field: "probes.readiness", message: "500",
		},
		{
			name:   "more memory than any node has",
			broken: func(*env) service { return service{memory: "9999Gi"} },
			code:   apply.CodeUnschedulable, field: "resources.memory", message: "a pod asks for 9999Gi memory",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			good := e.unit(service{env: map[string]string{"VERSION": "1"}})
			e.mustDeploy(good)
			before := e.pods("web")

			var waiting, deadline, failed time.Duration
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(tt.broken(e))}, Timeout: tt.timeout}, func(ev apply.Event) {
				switch {
				case failed > 0: // the way back
				case ev.Kind == apply.EventWaiting:
					waiting, deadline = ev.Elapsed, ev.Deadline
				case ev.Kind == apply.EventFailed:
					failed = ev.Elapsed
				}
			})
			var rollout *apply.RolloutError
			if !errors.As(err, &rollout) || res.Outcome != apply.RolledBack {
				t.Fatalf("outcome %s, error %v", res.Outcome, err)
			}
			u := res.Units[0]
			if u.Outcome != apply.RolledBack || u.Release != 1 || u.Tried != 2 || u.Diagnosis == nil {
				t.Fatalf("result %+v", u)
			}
			d := u.Diagnosis
			if d.Code != tt.code || d.Field != tt.field || !strings.Contains(d.Message, tt.message) || d.Unit != "web" || d.Pod == "" {
				t.Errorf("diagnosis %+v", d)
			}
			if tt.log != "" && !slices.Contains(d.Logs, tt.log) {
				t.Errorf("logs %q do not have %q", d.Logs, tt.log)
			}
			if tt.timeout == 0 && failed-waiting >= deadline {
				t.Errorf("failed only at the deadline, after %s", deadline)
			}
			e.samePods("web", before)
			if s := e.status("web"); !s.Ready || s.Release != 1 || s.State != apply.StateDeployed {
				t.Errorf("status %+v", s)
			}
			history, err := e.history("web")
			check(t, err)
			if h := history[0]; h.Number != 2 || h.Current || h.Outcome != apply.RolledBack || h.Code != tt.code {
				t.Errorf("history %+v", h)
			}
			// What is there is what the first release was: deploying it again is no change.
			res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{good}}, nil)
			if err != nil || res.Outcome != apply.Unchanged {
				t.Errorf("the first release again: %s, %v", res.Outcome, err)
			}
		})
	}
}

func TestFirstReleaseFails(t *testing.T) {
	e := newEnv(t)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"EXIT": "1"}})}}, nil)
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || res.Outcome != apply.Removed || res.Units[0].Outcome != apply.Removed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	left := slices.DeleteFunc(e.left(), func(s string) bool { return strings.HasPrefix(s, "Secret shipit-shop") })
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	history, err := e.history("web")
	check(t, err)
	if len(history) != 1 || history[0].Outcome != apply.Removed || history[0].Code != apply.CodeCrashLoop {
		t.Errorf("history %+v", history)
	}
	// And then one that works.
	if res := e.mustDeploy(e.unit(service{})); res.Units[0].Release != 2 {
		t.Errorf("release %d, want 2", res.Units[0].Release)
	}
}

func TestNoRollback(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	broken := e.unit(service{env: map[string]string{"EXIT": "1"}})
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}, NoRollback: true}, nil)
	if res.Outcome != apply.Failed || err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	s := e.status("web")
	if s.State != apply.StateFailed || s.Release != 2 || s.Healthy != 1 || s.Ready || s.Diagnosis == nil || s.Diagnosis.Code != apply.CodeCrashLoop {
		t.Errorf("status %+v", s)
	}
	// A later failure still goes back to the last healthy release.
	res, _ = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}}, nil)
	if res.Outcome != apply.RolledBack || res.Units[0].Release != 1 {
		t.Errorf("then: %s at release %d", res.Outcome, res.Units[0].Release)
	}
}

func TestInterruptedGoesBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	before := e.pods("web")
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	said := false
	res, err := e.deploy(ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting {
			cancel()
		}
		said = said || ev.Kind == apply.EventInterrupted
	})
	if res.Outcome != apply.RolledBack || !res.Interrupted || err == nil || !said {
		t.Fatalf("outcome %s, interrupted %v, said %v, error %v", res.Outcome, res.Interrupted, said, err)
	}
	e.samePods("web", before)
	if s := e.status("web"); s.Lock != nil || s.State != apply.StateDeployed || s.Release != 1 {
		t.Errorf("status %+v", s)
	}
}

// Abort ends even the way back; the next deploy finds a way from there.
func TestAborted(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	abort := make(chan struct{})
	res, err := e.deploy(ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}, Abort: abort}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			cancel()
		case apply.EventInterrupted:
			close(abort)
		}
	})
	if res.Outcome != apply.Interrupted || err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	// The lock is let go: nobody waits for a Lease to expire.
	if held := e.things(leases); len(held) > 0 {
		t.Errorf("leases %v", held)
	}
	took := false
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "3"}})}}, func(ev apply.Event) {
		took = took || ev.Kind == apply.EventTakeover
	})
	check(t, err)
	if res.Units[0].Release != 3 || res.Units[0].Previous != 1 || !took {
		t.Errorf("then: %+v, taken over %v", res.Units[0], took)
	}
}

func TestForeignObjectIsRefused(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{name: "api"}))
	foreign := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"ports": []any{map[string]any{"port": int64(1)}}},
	}}
	_, err := e.dyn.Resource(services).Namespace(e.ns).Create(e.ctx, foreign, metav1.CreateOptions{FieldManager: "somebody"})
	check(t, err)
	before := e.versions()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{name: "api"}), e.unit(service{})}}, nil)
	var notOurs *apply.NotOursError
	if !errors.As(err, &notOurs) || notOurs.Object.String() != "Service web" || notOurs.Manager != "somebody" || res.Outcome != apply.Refused {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("a refused deploy changed something:\nbefore %v\nafter  %v", before, after)
	}
}

func TestConflictIsNamed(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	_, err := e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{FieldManager: "somebody"})
	check(t, err)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}, nil)
	var conflict *apply.ConflictError
	if !errors.As(err, &conflict) || res.Outcome != apply.Refused {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if conflict.Object.String() != "Deployment web" || conflict.Field != ".spec.replicas" || conflict.Manager != "somebody" || conflict.Time.IsZero() || conflict.Value != int64(2) {
		t.Errorf("conflict %+v", conflict)
	}
	replicas := func() int64 {
		t.Helper()
		o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, "web", metav1.GetOptions{})
		check(t, err)
		n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		return n
	}
	// It is taken when that is asked for, in a deploy and in a rollback.
	res, err = e.deploy(e.ctx, apply.Request{Force: true, Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}, nil)
	if err != nil || res.Outcome != apply.Deployed || replicas() != 1 {
		t.Fatalf("by force: outcome %s, error %v, %d replicas", res.Outcome, err, replicas())
	}
	_, err = e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{FieldManager: "somebody"})
	check(t, err)
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log); !errors.As(err, &conflict) || res.Outcome != apply.Refused {
		t.Fatalf("rolling back: outcome %s, error %v", res.Outcome, err)
	}
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{Force: true}, e.log)
	if err != nil || res.Outcome != apply.Deployed || replicas() != 1 {
		t.Errorf("rolling back by force: outcome %s, error %v, %d replicas", res.Outcome, err, replicas())
	}
}

// On the way back, what this deploy had changed is taken back even from another
// manager; what somebody else changed meanwhile is left to them.
func TestConflictOnTheWayBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	patched := make(chan error, 1)
	warned := ""
	res, err := e.deploy(e.ctx, apply.Request{Timeout: 6 * time.Second, Units: []apply.Unit{e.unit(service{image: e.image, env: map[string]string{"VERSION": "2"}, command: "/nope"})}}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			if len(patched) > 0 || warned != "" {
				return
			}
			_, err := e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, "web", types.StrategicMergePatchType,
				[]byte(`{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"web","env":[{"name":"VERSION","value":"9"}]}]}}}}`),
				metav1.PatchOptions{FieldManager: "somebody"})
			patched <- err
		case apply.EventWarning:
			warned += ev.Message
		}
	})
	check(t, <-patched)
	if res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if !strings.Contains(warned, ".spec.replicas was left to its other manager") {
		t.Errorf("warnings %q", warned)
	}
	o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, "web", metav1.GetOptions{})
	check(t, err)
	replicas, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	env := containers[0].(map[string]any)["env"].([]any)[0].(map[string]any)
	if replicas != 2 || env["value"] != "1" {
		t.Errorf("replicas %d (want 2, theirs), VERSION %v (want 1, ours)", replicas, env["value"])
	}
}
