package apply_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// version is a service at a version, which needs others.
func (e *env) version(name, version string, needs ...string) apply.Unit {
	u := e.unit(service{name: name, env: map[string]string{"VERSION": version}})
	u.Needs = needs
	return u
}

// broken is a service that exits at once.
func (e *env) broken(name string, needs ...string) apply.Unit {
	u := e.unit(service{name: name, env: map[string]string{"EXIT": "1"}})
	u.Needs = needs
	return u
}

// quota is the unit of what belongs to no service.
func (e *env) quota(pods string) apply.Unit {
	return apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota",
		"metadata": map[string]any{"name": e.owner.App, "namespace": e.ns, "labels": map[string]any{
			"app.kubernetes.io/part-of": e.owner.App, "app.kubernetes.io/managed-by": "shipit",
		}},
		"spec": map[string]any{"hard": map[string]any{"pods": pods}},
	}}}}
}

// steps writes events down as "applied web", "healthy web".
type steps []string

func (s *steps) add(ev apply.Event) {
	switch ev.Kind {
	case apply.EventApplied, apply.EventHealthy, apply.EventWaiting, apply.EventRollback:
		*s = append(*s, string(ev.Kind)+" "+ev.Unit)
	}
}

// before fails unless every a comes before every b.
func (s steps) before(t *testing.T, a, b string) {
	t.Helper()
	last := len(s) - 1
	for ; last >= 0 && s[last] != a; last-- {
	}
	if first := slices.Index(s, b); last < 0 || first < 0 || first < last {
		t.Errorf("%q is not before %q in %q", a, b, []string(s))
	}
}

// A unit is applied once what it needs is healthy, and not later; _app comes
// before all.
func TestWaves(t *testing.T) {
	e := newEnv(t)
	var first steps
	units := []apply.Unit{e.quota("20"), e.version("basket", "1", "store"), e.version("mail", "1"), e.version("store", "1"), e.version("web", "1", "basket", "mail")}
	res, err := e.deploy(e.ctx, apply.Request{Units: units}, first.add)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	first.before(t, "applied _app", "applied store")
	first.before(t, "applied _app", "applied mail")
	first.before(t, "healthy store", "applied basket")
	first.before(t, "healthy basket", "applied web")
	first.before(t, "healthy mail", "applied web")
	first.before(t, "applied mail", "healthy store") // they do not need each other
	if u := res.Units[0]; u.Name != apply.AppUnit || u.Release != 1 || u.Outcome != apply.Deployed {
		t.Errorf("_app: %+v", u)
	}

	// What stays as it is and is healthy is not waited for.
	var second steps
	units[4] = e.version("web", "2", "basket", "mail")
	res, err = e.deploy(e.ctx, apply.Request{Units: units}, second.add)
	if err != nil || res.Outcome != apply.Deployed || slices.ContainsFunc(second, func(s string) bool { return !strings.HasSuffix(s, " web") }) {
		t.Errorf("outcome %s, error %v, steps %q", res.Outcome, err, second)
	}
	before := e.versions()
	if res, err := e.deploy(e.ctx, apply.Request{Units: units}, nil); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("again: %s, %v", res.Outcome, err)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("an unchanged deploy wrote:\nbefore %v\nafter  %v", before, after)
	}
	// A quota that the project no longer has goes with its unit.
	res = e.mustDeploy(units[1:]...)
	if i := slices.IndexFunc(res.Units, func(u apply.UnitResult) bool { return u.Name == apply.AppUnit }); i < 0 || res.Units[i].Outcome != apply.Removed {
		t.Errorf("units %+v", res.Units)
	}
}

// When one fails, what moved before it returns, those who need others first, and
// those whose turn did not come are not touched.
func TestWaveFails(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("basket", "1", "store"), e.podless("mail", "1", "store"), e.podless("store", "1"), e.podless("web", "1", "basket"))
	webObjects := map[string]string{}
	for name, v := range e.versions() {
		if strings.Contains(name, " web") {
			webObjects[name] = v
		}
	}
	var s steps
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("basket", "store"), e.podless("mail", "2", "store"), e.podless("store", "2"), e.podless("web", "2", "basket")}}, s.add)
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || res.Outcome != apply.RolledBack || len(rollout.Diagnoses) != 1 || rollout.Diagnoses[0].Unit != "basket" {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	s.before(t, "rollback basket", "rollback store")
	s.before(t, "rollback mail", "rollback store")
	want := map[string]apply.Outcome{"basket": apply.RolledBack, "mail": apply.RolledBack, "store": apply.RolledBack, "web": apply.Refused}
	for _, u := range res.Units {
		if u.Outcome != want[u.Name] || u.Release != 1 {
			t.Errorf("%s: %s at release %d, want %s at 1", u.Name, u.Outcome, u.Release, want[u.Name])
		}
		if st := e.status(u.Name); !st.Ready || st.Release != 1 || st.State != apply.StateDeployed || st.Lock != nil {
			t.Errorf("status of %s: %+v", u.Name, st)
		}
	}
	if slices.Contains(s, "applied web") {
		t.Errorf("web was touched: %q", s)
	}
	after := e.versions()
	for name, v := range webObjects {
		if after[name] != v {
			t.Errorf("%s was changed", name)
		}
	}
	for unit := range want {
		e.isAt(unit, 1)
	}
	e.ended(res)
	history, err := e.history("web")
	check(t, err)
	if len(history) != 1 || history[0].Number != 1 || !history[0].Current {
		t.Errorf("history of web: %+v", history)
	}
}

// A need that is not moved along must be healthy now.
func TestNeedOutside(t *testing.T) {
	e := newEnv(t)
	refused := func(why string) {
		t.Helper()
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "1", "store")}, Only: []string{"web"}}, nil)
		var need *apply.NeedError
		if !errors.As(err, &need) || res.Outcome != apply.Refused || need.Unit != "web" || need.Need != "store" || need.Why != why {
			t.Errorf("outcome %s, error %v, want that store %s", res.Outcome, err, why)
		}
	}
	refused("is not deployed")
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace was made: %v", err)
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("store")}, NoRollback: true}, nil)
	if err == nil {
		t.Fatal("a broken store was deployed")
	}
	before := e.versions()
	refused("is not at a healthy release (failed)")
	if after := e.versions(); before["Secret shipit-shop"] != after["Secret shipit-shop"] || after["Deployment web"] != "" {
		t.Errorf("a refused deploy wrote:\nbefore %v\nafter  %v", before, after)
	}
	e.mustDeploy(e.podless("store", "1"))
	if res := e.mustDeployOnly(e.podless("web", "1", "store")); res.Units[0].Release != 1 {
		t.Errorf("web: %+v", res.Units[0])
	}
}

// mustDeployOnly deploys one unit beside what is there.
func (e *env) mustDeployOnly(u apply.Unit) *apply.Result {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}, Only: []string{u.Name}}, nil)
	check(e.T, err)
	if res.Outcome != apply.Deployed {
		e.Fatalf("outcome %s, want deployed", res.Outcome)
	}
	return res
}

func TestNeedsInACircle(t *testing.T) {
	e := newEnv(t)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.version("basket", "1", "web"), e.version("web", "1", "basket")}}, nil)
	var circle *apply.CircleError
	if !errors.As(err, &circle) || res.Outcome != apply.Refused || fmt.Sprint(circle.Units) != "[basket web basket]" {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

// What stays as it is and is not healthy is waited for, and named.
func TestUnchangedAndUnhealthy(t *testing.T) {
	e := newEnv(t)
	store := e.broken("store")
	if _, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{store}, NoRollback: true}, nil); err == nil {
		t.Fatal("a broken store was deployed")
	}
	e.mustDeployOnly(e.version("web", "1"))
	web := e.pods("web")
	// Its release failed, so that it is tried again, and web returns with it.
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{store, e.version("web", "2", "store")}}, nil)
	if res.Outcome != apply.Removed || err == nil || len(res.Diagnoses()) != 1 || res.Diagnoses()[0].Unit != "store" {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	e.samePods("web", web)
}
