package apply_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// Every way in which a deploy can end, and none other, is reached here by the
// shortest way; what it leaves behind is the subject of other tests.
func TestEveryOutcome(t *testing.T) {
	t.Parallel()
	good := func(e *env) apply.Unit { return e.podless("web", "1") }
	bad := func(e *env) apply.Unit { return e.broken("web") }
	tests := []struct {
		want  apply.Outcome
		ended bool // an outcome is recorded
		run   func(e *env) (*apply.Result, error)
	}{
		{apply.Deployed, true, func(e *env) (*apply.Result, error) {
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{good(e)}}, nil)
		}},
		{apply.Unchanged, false, func(e *env) (*apply.Result, error) {
			e.mustDeploy(good(e))
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{good(e)}}, nil)
		}},
		{apply.RolledBack, true, func(e *env) (*apply.Result, error) {
			e.mustDeploy(good(e))
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{bad(e)}}, nil)
		}},
		{apply.Removed, true, func(e *env) (*apply.Result, error) {
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{bad(e)}}, nil)
		}},
		{apply.Failed, true, func(e *env) (*apply.Result, error) {
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{bad(e)}, NoRollback: true}, nil)
		}},
		{apply.Refused, false, func(e *env) (*apply.Result, error) {
			e.mustDeploy(good(e))
			needs := e.podless("web", "2")
			needs.Needs = []string{"elsewhere"}
			return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{needs}}, nil)
		}},
		{apply.Interrupted, true, func(e *env) (*apply.Result, error) {
			ctx, cancel := context.WithCancel(e.ctx)
			defer cancel()
			return e.deploy(ctx, apply.Request{Units: []apply.Unit{bad(e)}, NoRollback: true}, func(ev apply.Event) {
				if ev.Kind == apply.EventWaiting {
					cancel()
				}
			})
		}},
	}
	if len(tests) != len(apply.Outcomes()) {
		t.Errorf("%d outcomes are reached, of %d", len(tests), len(apply.Outcomes()))
	}
	for _, tt := range tests {
		t.Run(string(tt.want), func(t *testing.T) {
			e := newEnv(t)
			res, err := tt.run(e)
			if res.Outcome != tt.want || (err == nil) != tt.want.Done() {
				t.Fatalf("outcome %s, error %v", res.Outcome, err)
			}
			if tt.ended {
				e.ended(res)
			} else if _, _, err := e.client().OutcomeOf(e.ctx, res.DeployID); err == nil {
				t.Error("an outcome is recorded")
			}
		})
	}
}

// When the old release does not become healthy either, the deploy has failed, and
// says both.
func TestWayBackFails(t *testing.T) {
	e := newEnv(t)
	first := e.stateful(service{config: "theirs"})
	_, err := e.client().Deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("api", "1")}}, nil) // makes the namespace
	check(t, err)
	e.createConfig("theirs")
	e.mustDeployOnly(first)
	deleted := false
	// api changes and returns, and late is never begun: they are not called failed.
	late := e.podless("late", "1", "web")
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.stateful(service{env: map[string]string{"EXIT": "1"}}), e.podless("api", "2"), late}}, func(ev apply.Event) {
		if ev.Kind == apply.EventFailed && !deleted {
			deleted = true
			check(t, e.dyn.Resource(configMaps).Namespace(e.ns).Delete(e.ctx, "theirs", metav1.DeleteOptions{}))
		}
	})
	var rollout *apply.RolloutError
	if res.Outcome != apply.Failed || !errors.As(err, &rollout) || rollout.Err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if text := err.Error(); !strings.Contains(text, "exited with code 1") || !strings.Contains(text, `release 1 is not healthy either`) || !strings.Contains(text, `configmap "theirs" not found`) {
		t.Errorf("it says %q", text)
	}
	e.ended(res)
	if s := e.status("web"); s.State != apply.StateFailed || s.Healthy != 1 || s.Release != 2 {
		t.Errorf("status %+v", s)
	}
	if s := e.status("api"); s.State != apply.StateDeployed || s.Release != 1 {
		t.Errorf("status %+v", s)
	}
	for name, want := range map[string]apply.UnitResult{
		"web": {Outcome: apply.Failed, Release: 2}, "api": {Outcome: apply.RolledBack, Release: 1}, "late": {Outcome: apply.Refused},
	} {
		i := slices.IndexFunc(res.Units, func(u apply.UnitResult) bool { return u.Name == name })
		if u := res.Units[i]; u.Outcome != want.Outcome || u.Release != want.Release {
			t.Errorf("%s: %s at release %d", name, u.Outcome, u.Release)
		}
	}
	// All that it moved goes to the last healthy release when it is asked for again.
	e.createConfig("theirs")
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.areAt(map[string]int{"api": 1, "web": 1})
}

func (e *env) createConfig(name string) {
	e.Helper()
	_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Create(e.ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"k": "v"},
	}}, metav1.CreateOptions{})
	check(e.T, err)
}

// Two projects deploy their services of one app at once, each with its own
// services and without a look at the other's.
func TestTwoSources(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/payments"
	both := func(ours, theirs []apply.Unit) {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			_, err := other.client().Deploy(e.ctx, apply.Request{Units: theirs}, nil)
			done <- err
		}()
		e.mustDeploy(ours...)
		check(t, <-done)
	}
	both([]apply.Unit{e.podless("api", "1"), e.podless("web", "1")}, []apply.Unit{e.podless("pay", "1"), e.podless("post", "1")})
	both([]apply.Unit{e.podless("web", "2")}, []apply.Unit{e.podless("pay", "2")})
	e.isAt("web", 2)
	e.isAt("pay", 2)
	for _, name := range []string{"api", "post"} {
		e.isGone(deployments, name)
		var unknown *apply.UnknownUnitError
		if _, err := e.history(name); !errors.As(err, &unknown) {
			t.Errorf("history of %s: %v", name, err)
		}
	}
	// A need of the other project's is met by what runs.
	web := e.podless("web", "3")
	web.Needs = []string{"pay"}
	e.mustDeploy(web)
	e.isAt("web", 3)
	if s := e.status("pay"); s.Source != "example.com/payments" {
		t.Errorf("status of pay: %+v", s)
	}
}

// A unit's own deadline replaces the one that is computed from its probes.
func TestUnitDeadline(t *testing.T) {
	e := newEnv(t)
	u := e.unit(service{env: map[string]string{"UNREADY": "503"}})
	u.Deadline = 4 * time.Second
	var deadline, failed time.Duration
	res, _ := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			deadline = ev.Deadline
		case apply.EventFailed:
			failed = ev.Elapsed
		}
	})
	if res.Outcome != apply.Removed || deadline != u.Deadline || failed < u.Deadline {
		t.Errorf("outcome %s, deadline %s, failed after %s", res.Outcome, deadline, failed)
	}
}

// Every record says its format and who wrote it.
func TestRecordsSayWhoWroteThem(t *testing.T) {
	e := newEnv(t)
	e.owner.Version = "v9.8.7"
	// The namespace, the Lease and the index are written first.
	during := *e
	during.cfg = rest.CopyConfig(e.cfg)
	during.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &atWrite{next: next, n: 4, do: func() {
			list, err := e.dyn.Resource(leases).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
			if err != nil || len(list.Items) != 1 {
				t.Errorf("%v, and Leases %+v", err, list)
				return
			}
			if a := list.Items[0].GetAnnotations(); a["shipit.dev/format-version"] != "1" || a["shipit.dev/written-by"] != "v9.8.7" {
				t.Errorf("the Lease has annotations %v", a)
			}
		}}
	})
	during.mustDeploy(e.podless("web", "1"))
	list, err := e.dyn.Resource(secrets).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "shipit.dev/app=shop"})
	check(t, err)
	kinds := map[string]bool{}
	for i := range list.Items {
		o := &list.Items[i]
		text, _, _ := unstructured.NestedString(o.Object, "data", "state")
		data, err := base64.StdEncoding.DecodeString(text)
		check(t, err)
		format, by, err := apply.HeaderOf(data)
		if err != nil || format != 1 || by != "v9.8.7" {
			t.Errorf("%s: format %d, written by %q, error %v", o.GetName(), format, by, err)
		}
		kind, _, _ := unstructured.NestedString(o.Object, "type")
		kinds[kind] = true
		if immutable, _, _ := unstructured.NestedBool(o.Object, "immutable"); immutable == (kind == "shipit.dev/index") {
			t.Errorf("%s of type %s: immutable %v", o.GetName(), kind, immutable)
		}
	}
	if !kinds["shipit.dev/index"] || !kinds["shipit.dev/intent"] || !kinds["shipit.dev/outcome"] {
		t.Errorf("there are %v", kinds)
	}
}

// The claims that a StatefulSet made go with a Delete that says so.
func TestDeleteClaimsOfAStatefulSet(t *testing.T) {
	e := newEnv(t)
	u := e.stateful(service{})
	for _, o := range u.Objects {
		if o.GetKind() == "StatefulSet" {
			check(t, unstructured.SetNestedSlice(o.Object, []any{map[string]any{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "data"},
				"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Mi"}}},
			}}, "spec", "volumeClaimTemplates"))
		}
	}
	e.mustDeploy(u)
	warned := ""
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"web"}}, func(ev apply.Event) { warned += ev.Message }); err != nil {
		t.Fatal(err)
	}
	e.isThere(claims, "data-web-0")
	if !strings.Contains(warned, "PersistentVolumeClaim data-web-0") {
		t.Errorf("warned of %q", warned)
	}
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Claims: true}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isGone(claims, "data-web-0")
}
