package apply_test

import (
	"errors"
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/apply"
)

// holds fails unless every object of the units is there and theirs, and what is
// recorded of them is what is there.
func (e *env) holds(units ...apply.Unit) {
	e.Helper()
	for _, u := range units {
		drift, err := e.client().Drift(e.ctx, u.Name, e.status(u.Name).Release)
		if err != nil || len(drift) > 0 {
			e.Errorf("%s is not as recorded: %q, %v", u.Name, drift, err)
		}
	}
}

// An object may move from one unit to another, in every direction: it is the same
// object all the way, there and back, and who had it before never deletes it.
func TestObjectMovesBetweenUnits(t *testing.T) {
	e := newEnv(t)
	budget := func(unit string) *unstructured.Unstructured {
		return e.object(unit, "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: moves}\nspec: {maxUnavailable: 1, selector: {matchLabels: {a: b}}}")
	}
	budgets := schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	first := []apply.Unit{
		e.app(e.port(apply.AppUnit, "db", ""), e.value(apply.AppUnit, "stays", "1")),
		e.small("web", e.value("web", "to-api", "web"), e.value("web", "to-app", "web"), e.port("web", "db-headless", "clusterIP: None, "), budget("web")),
		e.small("api"),
		e.small("db"),
	}
	second := []apply.Unit{
		e.app(e.value(apply.AppUnit, "stays", "1"), e.value(apply.AppUnit, "to-app", "app")),
		e.small("web"),
		e.small("api", e.value("api", "to-api", "api"), budget("api")),
		e.small("db", e.port("db", "db", ""), e.port("db", "db-headless", "clusterIP: None, ")),
	}
	type thing struct {
		r                  schema.GroupVersionResource
		name, first, after string
	}
	things := []thing{
		{services, "db", apply.AppUnit, "db"},
		{services, "db-headless", "web", "db"},
		{configMaps, "to-api", "web", "api"},
		{configMaps, "to-app", "web", apply.AppUnit},
		{budgets, "moves", "web", "api"},
	}
	uids := map[string]string{}
	are := func(what string, of func(thing) string, units []apply.Unit) {
		t.Helper()
		for _, th := range things {
			uids[th.name] = e.belongs(th.r, th.name, of(th), uids[th.name])
		}
		e.holds(units...)
		res, err := e.deploy(e.ctx, apply.Request{Units: units}, nil)
		if err != nil || res.Outcome != apply.Unchanged {
			t.Fatalf("%s, deployed again: %s, %v", what, res.Outcome, err)
		}
	}
	old, now := func(th thing) string { return th.first }, func(th thing) string { return th.after }
	e.mustDeploy(first...)
	are("first", old, first)
	e.mustDeploy(second...)
	are("moved", now, second)
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("rollback: %s, %v", res.Outcome, err)
	}
	are("back", old, first)
	e.mustDeploy(second...)
	are("moved again", now, second)

	// Who lost its objects takes none of them along.
	gone, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"web"}}, e.log)
	if err != nil || gone.Outcome != apply.Removed {
		t.Fatalf("delete: %s, %v", gone.Outcome, err)
	}
	for _, th := range things {
		e.belongs(th.r, th.name, th.after, uids[th.name])
	}
	// A unit that goes altogether leaves what another one has now.
	e.mustDeploy(e.small("web", e.value("web", "to-app", "web"), e.value("web", "to-api", "web")), e.small("db", e.port("db", "db", "")))
	e.belongs(configMaps, "to-app", "web", uids["to-app"])
	e.belongs(configMaps, "to-api", "web", uids["to-api"])
	e.belongs(services, "db", "db", uids["db"])
	e.isGone(configMaps, "of-api")
	e.isGone(configMaps, "stays")
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil {
		t.Error(err)
	}
	if left := e.left(); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// When the new owner of an object fails, the object returns to the old one's version:
// whether that one was begun or not, and also when it was to go.
func TestMovedObjectReturns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]func(e *env) (first, second []apply.Unit, owner string){
		"service to a new one": func(e *env) (first, second []apply.Unit, owner string) {
			// The old owner's turn does not come.
			old := e.small("web")
			old.Needs = []string{"api"}
			api := e.broken("api")
			api.Objects = append(api.Objects, e.value("api", "moves", "2"))
			return []apply.Unit{e.small("web", e.value("web", "moves", "1"))}, []apply.Unit{api, old}, "web"
		},
		"_app to a new service": func(e *env) (first, second []apply.Unit, owner string) {
			api := e.broken("api")
			api.Objects = append(api.Objects, e.value("api", "moves", "2"))
			return []apply.Unit{e.app(e.value(apply.AppUnit, "moves", "1"), e.value(apply.AppUnit, "stays", "1"))},
				[]apply.Unit{e.app(e.value(apply.AppUnit, "stays", "1")), api}, apply.AppUnit
		},
		"from a unit that goes": func(e *env) (first, second []apply.Unit, owner string) {
			api := e.broken("api")
			api.Objects = append(api.Objects, e.value("api", "moves", "2"))
			return []apply.Unit{e.app(e.value(apply.AppUnit, "moves", "1")), e.small("web")}, []apply.Unit{e.small("web"), api}, apply.AppUnit
		},
		"service to _app": func(e *env) (first, second []apply.Unit, owner string) {
			broken := e.broken("web")
			return []apply.Unit{e.small("web", e.value("web", "moves", "1"))}, []apply.Unit{e.app(e.value(apply.AppUnit, "moves", "2")), broken}, "web"
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			first, second, owner := tt(e)
			e.mustDeploy(first...)
			uid := e.belongs(configMaps, "moves", owner, "")
			res, err := e.deploy(e.ctx, apply.Request{Units: second}, nil)
			if err == nil || res.Outcome != apply.RolledBack && res.Outcome != apply.Removed {
				t.Fatalf("%s, %v", res.Outcome, err)
			}
			e.belongs(configMaps, "moves", owner, uid)
			e.holds(first...)
			if res, err := e.deploy(e.ctx, apply.Request{Units: first}, nil); err != nil || res.Outcome != apply.Unchanged {
				t.Errorf("deployed again: %s, %v", res.Outcome, err)
			}
		})
	}
}

// What two units would have, and what belongs to a unit that does not move, is
// refused before anything is written, with the names of both.
func TestDisputedObjectIsRefused(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/payments"
	e.mustDeploy(e.app(e.value(apply.AppUnit, "theirs", "1")), e.small("web", e.value("web", "shared", "1")), e.small("api"))
	other.mustDeploy(other.small("pay"))
	e.mustDeploy(e.app(), e.small("web"), e.small("api", e.value("api", "shared", "2")), e.small("db", e.value("db", "theirs", "2")))
	before := e.versions()
	refused := func(what, units string, err error) {
		t.Helper()
		var two *apply.DisputedError
		var owned *apply.OwnedError
		got := ""
		switch {
		case errors.As(err, &two):
			got = two.Units[0] + " " + two.Units[1]
		case errors.As(err, &owned):
			got = owned.Unit + " " + owned.Owner
		}
		if got != units {
			t.Errorf("%s: %q, want %q: %v", what, got, units, err)
		}
		if after := e.versions(); !maps.Equal(before, after) {
			t.Errorf("%s changed something:\nbefore %v\nafter  %v", what, before, after)
		}
	}
	v2 := e.object("web", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: x}")
	v1 := e.object("api", "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: x}")
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", v2), e.small("api", v1)}}, nil)
	refused("two units", "web api", err)
	_, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", e.value("web", "shared", "3")), e.small("api")}, Only: []string{"web"}}, nil)
	refused("one of two", "web api", err)
	_, err = e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}, To: 1}, e.log)
	refused("rollback", "web api", err)
	_, err = other.deploy(e.ctx, apply.Request{Units: []apply.Unit{other.small("pay", other.value("pay", "shared", "3"))}}, nil)
	refused("another project", "pay api", err)
	severe, _ := other.checked(other.small("pay", other.value("pay", "shared", "3")))
	e.saysAll("check", severe, "belongs to api")

	// Another project takes it when that is asked for, and keeps it.
	_, err = other.deploy(e.ctx, apply.Request{Units: []apply.Unit{other.small("pay", other.value("pay", "shared", "3"))}, TakeOver: true}, nil)
	check(t, err)
	e.belongs(configMaps, "shared", "pay", "")
	before = e.versions()
	_, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web"), e.small("api", e.value("api", "shared", "2")), e.small("db", e.value("db", "theirs", "2"))}}, nil)
	refused("taken", "api pay", err)
	_, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web"), e.small("api"), e.small("db", e.value("db", "theirs", "2"))}}, nil)
	check(t, err)
	e.belongs(configMaps, "shared", "pay", "")
}

// A project that takes an object of another's and fails gives it back; a unit whose
// object was taken returns without it.
func TestTakenObjectReturns(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/payments"
	e.mustDeploy(e.small("web", e.value("web", "shared", "1")))
	uid := e.belongs(configMaps, "shared", "web", "")
	broken := other.broken("pay")
	broken.Objects = append(broken.Objects, other.value("pay", "shared", "2"))
	res, err := other.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}, TakeOver: true}, nil)
	if res.Outcome != apply.Removed {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	e.belongs(configMaps, "shared", "web", uid)
	e.holds(e.small("web"))
	if s := e.status("web"); s.State != apply.StateDeployed || s.Release != 1 || s.Lock != nil {
		t.Errorf("status %+v", s)
	}
	_, err = other.deploy(e.ctx, apply.Request{Units: []apply.Unit{other.small("pay", other.value("pay", "shared", "2"))}, TakeOver: true}, nil)
	check(t, err)
	web := e.broken("web")
	web.Objects = append(web.Objects, e.small("web").Objects...)
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web}}, nil); res.Outcome != apply.RolledBack {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	e.belongs(configMaps, "shared", "pay", uid)
	e.belongs(configMaps, "of-web", "web", "")
}

// What a deploy had taken over when it was killed is still the other project's: the next
// deploy gives it back when it fails, and neither one without the object nor a deletion
// takes it away.
func TestTakenByAKilledDeploy(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(other *env, again apply.Unit) (*apply.Result, error, apply.Outcome){
		"a deploy that fails, too": func(other *env, again apply.Unit) (*apply.Result, error, apply.Outcome) {
			res, err := other.deploy(other.ctx, apply.Request{Units: []apply.Unit{again}, TakeOver: true}, nil)
			return res, err, apply.Removed
		},
		"a deploy without it": func(other *env, again apply.Unit) (*apply.Result, error, apply.Outcome) {
			res, err := other.deploy(other.ctx, apply.Request{Units: []apply.Unit{other.small("pay")}}, nil)
			return res, err, apply.Deployed
		},
		"a deletion": func(other *env, again apply.Unit) (*apply.Result, error, apply.Outcome) {
			res, err := other.client().Delete(other.ctx, apply.DeleteRequest{Units: []string{"pay"}}, other.log)
			return res, err, apply.Removed
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			other := *e
			other.owner.Source = "example.com/payments"
			web := e.small("web", e.value("web", "shared", "1"))
			e.mustDeploy(web)
			uid := e.belongs(configMaps, "shared", "web", "")
			broken := other.broken("pay")
			broken.Objects = append(broken.Objects, other.value("pay", "shared", "2"))
			c := other.child(childDeploy{Units: []apply.Unit{broken}, TakeOver: true})
			if !c.until(string(apply.EventWaiting)) {
				t.Fatalf("the deploy says %q", c.said)
			}
			check(t, c.cmd.Process.Kill())
			c.wait()
			res, err, want := next(&other, broken)
			if res.Outcome != want {
				t.Errorf("%s, %v", res.Outcome, err)
			}
			if want == apply.Removed && name != "a deletion" {
				e.belongs(configMaps, "shared", "web", uid)
			}
			if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web}}, nil); err != nil || !res.Outcome.Done() {
				t.Errorf("then: %s, %v", res.Outcome, err)
			}
			e.belongs(configMaps, "shared", "web", uid)
			e.holds(web)
			e.settled()
		})
	}
}
