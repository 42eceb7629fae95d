package apply_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

var autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}

// scaled is a service whose replicas belong to an autoscaler. Nothing measures
// its pods, so that it leaves the count alone between its bounds.
func (e *env) scaled(s service) apply.Unit {
	u := e.unit(s)
	u.Objects = append(u.Objects, e.autoscaler(u.Name))
	return u
}

// autoscaler leaves the scaling to the test: its controller has real figures, which
// on a busy machine are high.
func (e *env) autoscaler(name string) *unstructured.Unstructured {
	still := map[string]any{"selectPolicy": "Disabled"}
	return e.made(name, "autoscaling/v2", "HorizontalPodAutoscaler", name, map[string]any{"spec": map[string]any{
		"minReplicas": int64(1), "maxReplicas": int64(5), "behavior": map[string]any{"scaleUp": still, "scaleDown": still},
		"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
		"metrics": []any{map[string]any{"type": "Resource", "resource": map[string]any{
			"name": "cpu", "target": map[string]any{"type": "Utilization", "averageUtilization": int64(80)},
		}}},
	}})
}

// scaleTo does what an autoscaler does.
func (e *env) scaleTo(name, n string) {
	e.Helper()
	_, err := e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, name, types.MergePatchType,
		[]byte(`{"spec":{"replicas":`+n+`}}`), metav1.PatchOptions{FieldManager: "kube-controller-manager"}, "scale")
	check(e.T, err)
}

func (e *env) replicas(name string) int64 {
	e.Helper()
	o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	check(e.T, err)
	n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	return n
}

// counts watches a Deployment, and returns what its replicas were from the first
// time on, each in turn.
func (e *env) counts(name string) func() []int64 {
	e.Helper()
	w, err := e.dyn.Resource(deployments).Namespace(e.ns).Watch(e.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	check(e.T, err)
	var seen []int64
	var running sync.WaitGroup
	running.Go(func() {
		for ev := range w.ResultChan() {
			o, ok := ev.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
			if len(seen) == 0 || seen[len(seen)-1] != n {
				seen = append(seen, n)
			}
			if _, last := o.GetAnnotations()["test/last"]; last {
				w.Stop()
			}
		}
	})
	return func() []int64 {
		e.Helper()
		_, err := e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, name, types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"test/last":""}}}`), metav1.PatchOptions{FieldManager: "test"})
		check(e.T, err)
		running.Wait()
		return seen
	}
}

func fieldsOf(res *apply.Result, kind string) []string {
	for _, o := range res.Units[0].Objects {
		if o.Object.Kind == kind {
			return o.Fields
		}
	}
	return nil
}

// What an autoscaler decides stays through changes, no change and rollbacks.
func TestScaledCountStays(t *testing.T) {
	e := newEnv(t)
	web := func(version string) apply.Unit {
		return e.scaled(service{replicas: 2, env: map[string]string{"VERSION": version}})
	}
	e.mustDeploy(web("1"))
	if n := e.replicas("web"); n != 2 {
		t.Fatalf("created with %d replicas, want 2", n)
	}
	unchanged := func(version string) {
		t.Helper()
		before := e.versions()
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web(version)}}, nil)
		check(t, err)
		if after := e.versions(); res.Outcome != apply.Unchanged || !maps.Equal(before, after) {
			t.Errorf("outcome %s\nbefore %v\nafter  %v", res.Outcome, before, after)
		}
	}
	unchanged("1")
	e.scaleTo("web", "3")
	unchanged("1")

	counts := e.counts("web")
	res := e.mustDeploy(web("2"))
	if got := fieldsOf(res, "Deployment"); slices.Contains(got, ".spec.replicas") {
		t.Errorf("changed fields %q", got)
	}
	unchanged("2")
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log); err != nil {
		t.Fatal(err)
	}
	if seen := counts(); !slices.Equal(seen, []int64{3}) {
		t.Errorf("the replicas were %d, want 3 all the time", seen)
	}

	// A release that fails is no reason to touch the count either.
	broken := e.scaled(service{replicas: 2, env: map[string]string{"EXIT": "3"}})
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}}, nil); err == nil || res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if n := e.replicas("web"); n != 3 {
		t.Errorf("%d replicas, want 3", n)
	}
}

// Switching the autoscaler on and off moves the count from hand to hand, never
// through the default.
func TestScaledSwitch(t *testing.T) {
	e := newEnv(t)
	own := func(n int) apply.Unit { return e.unit(service{replicas: n}) }
	e.mustDeploy(own(2))
	counts := e.counts("web")
	res := e.mustDeploy(e.scaled(service{replicas: 4}))
	if got := fieldsOf(res, "Deployment"); !slices.Equal(got, []string{".spec.replicas"}) {
		t.Errorf("changed fields %q, want the hand-over of .spec.replicas", got)
	}
	if n := e.replicas("web"); n != 2 {
		t.Errorf("the hand-over made it %d replicas", n)
	}
	e.scaleTo("web", "3")
	e.mustDeploy(own(2))
	e.isGone(autoscalers, "web")
	e.isAt("web", 3)

	// The count is ours alone again, also when it was what is wanted already.
	e.mustDeploy(e.scaled(service{replicas: 4}))
	e.scaleTo("web", "3")
	e.mustDeploy(own(3))
	e.mustDeploy(own(2))
	if seen := counts(); !slices.Equal(seen, []int64{2, 3, 2, 3, 2}) {
		t.Errorf("the replicas were %d", seen)
	}
	before := e.versions()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{own(2)}}, nil)
	check(t, err)
	if after := e.versions(); res.Outcome != apply.Unchanged || !maps.Equal(before, after) {
		t.Errorf("outcome %s\nbefore %v\nafter  %v", res.Outcome, before, after)
	}

	// What somebody scales by hand is a conflict as ever.
	e.scaleTo("web", "5")
	var conflict *apply.ConflictError
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{own(2)}}, nil); !errors.As(err, &conflict) || res.Outcome != apply.Refused || conflict.Field != ".spec.replicas" {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

// A release that was to switch the autoscaler off and fails gives it back.
func TestScaledSwitchFails(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.scaled(service{replicas: 2}))
	e.scaleTo("web", "3")
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{replicas: 2, env: map[string]string{"EXIT": "3"}})}}, nil)
	if err == nil || res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isThere(autoscalers, "web")
	e.scaleTo("web", "3")
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.scaled(service{replicas: 2})}}, nil); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	if n := e.replicas("web"); n != 3 {
		t.Errorf("%d replicas, want 3", n)
	}
}

// An autoscaler that is no part of the service's unit owns the count all the same,
// and in a deploy of the service alone too.
func TestScaledFromElsewhere(t *testing.T) {
	e := newEnv(t)
	scaler := e.autoscaler("web")
	labels := scaler.GetLabels()
	delete(labels, "app.kubernetes.io/name")
	scaler.SetLabels(labels)
	app := apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{scaler}}
	web := func(version string) apply.Unit {
		return e.unit(service{replicas: 1, env: map[string]string{"VERSION": version}})
	}
	e.mustDeploy(app, web("1"))
	e.scaleTo("web", "2")
	e.mustDeploy(app, web("2"))
	if n := e.replicas("web"); n != 2 {
		t.Errorf("%d replicas after a deploy of all", n)
	}
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web("3")}, Only: []string{"web"}}, nil); err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	if n := e.replicas("web"); n != 2 {
		t.Errorf("%d replicas after a deploy of one", n)
	}
}

// Autoscaling may be taken out and come back.
func TestScaledOnOffOn(t *testing.T) {
	e := newEnv(t)
	one := map[string]string{"VERSION": "1"}
	e.mustDeploy(e.scaled(service{replicas: 1, env: one}))
	e.scaleTo("web", "2")
	e.mustDeploy(e.unit(service{replicas: 1, env: one}))
	if n := e.replicas("web"); n != 1 {
		t.Errorf("%d replicas without the autoscaler", n)
	}
	e.mustDeploy(e.scaled(service{replicas: 1, env: one}))
	e.scaleTo("web", "2")
	e.mustDeploy(e.scaled(service{replicas: 1, env: map[string]string{"VERSION": "2"}}))
	if n := e.replicas("web"); n != 2 {
		t.Errorf("%d replicas with the autoscaler again", n)
	}
}
