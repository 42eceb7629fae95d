package apply_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// isAt fails unless a unit is exactly what the record of a release says: every
// field that is ours, no object missing or too many (claims excepted), and its
// pods run the recorded digests. It waits for pods that are on their way out.
func (e *env) isAt(unit string, release int) {
	e.Helper()
	drift, err := e.client().Drift(e.ctx, unit, release)
	check(e.T, err)
	if len(drift) > 0 {
		e.Errorf("%s is not at release %d: %q", unit, release, drift)
	}
	history, err := e.history(unit)
	check(e.T, err)
	i := slices.IndexFunc(history, func(r apply.Release) bool { return r.Number == release })
	if i < 0 || !history[i].Current || history[i].Outcome != apply.Deployed {
		e.Fatalf("history of %s: %+v", unit, history)
	}
	want := history[i].Images
	e.eventually(pods, func() (string, bool) {
		for name, p := range e.pods(unit) {
			if !slices.Contains(want, p.Image) {
				return "pod " + name + " runs " + p.Image, false
			}
		}
		return "", true
	})
	held, missing, stale, err := e.client().State(e.ctx)
	check(e.T, err)
	if len(held)+len(missing)+len(stale) > 0 {
		e.Errorf("state: held %q, missing %q, stale %q", held, missing, stale)
	}
}

// ended fails unless the record of a deploy says how it ended, unit by unit.
func (e *env) ended(res *apply.Result) {
	e.Helper()
	outcome, units, err := e.client().OutcomeOf(e.ctx, res.DeployID)
	check(e.T, err)
	want := map[string]apply.Outcome{}
	for _, u := range res.Units {
		want[u.Name] = u.Outcome
	}
	if outcome != res.Outcome || !maps.Equal(units, want) {
		e.Errorf("the record says %s %v, the result %s %v", outcome, units, res.Outcome, want)
	}
}

var (
	claims       = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	statefulSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	jobs         = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
)

// made makes an object of a unit.
func (e *env) made(unit, apiVersion, kind, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": e.ns, "labels": map[string]any{
			"app.kubernetes.io/name": unit, "app.kubernetes.io/part-of": e.owner.App, "app.kubernetes.io/managed-by": "shipit",
		}},
	}}
	maps.Copy(o.Object, fields)
	return o
}

// hashedSecret is a Secret that is named by its content.
func (e *env) hashedSecret(unit, version string) *unstructured.Unstructured {
	return e.made(unit, "v1", "Secret", unit+"-db-"+version, map[string]any{
		"immutable": true, "data": map[string]any{"password": "dg=="},
	})
}

func (e *env) hashedConfig(unit, version string) *unstructured.Unstructured {
	return e.made(unit, "v1", "ConfigMap", unit+"-app-"+version, map[string]any{
		"immutable": true, "data": map[string]any{"level": version},
	})
}

// podless is a unit that is healthy at once: what it runs has no pods.
func (e *env) podless(name, version string, needs ...string) apply.Unit {
	u := e.unit(service{name: name, env: map[string]string{"VERSION": version}})
	for _, o := range u.Objects {
		if o.GetKind() == "Deployment" {
			check(e.T, unstructured.SetNestedField(o.Object, int64(0), "spec", "replicas"))
		}
	}
	u.Needs = needs
	u.Objects = append([]*unstructured.Unstructured{e.hashedConfig(name, version), e.hashedSecret(name, version)}, u.Objects...)
	return u
}

// A first release that fails is removed, and what it stored is kept.
func TestFirstReleaseFailsAndItsClaimStays(t *testing.T) {
	e := newEnv(t)
	claim := e.made("web", "v1", "PersistentVolumeClaim", "web-data", map[string]any{
		"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Mi"}}},
	})
	broken := e.broken("web")
	broken.Objects = append(broken.Objects, claim, e.hashedConfig("web", "1"))
	warned := ""
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned += ev.Message
		}
	})
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || res.Outcome != apply.Removed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.ended(res)
	if !strings.Contains(warned, "PersistentVolumeClaim web-data") {
		t.Errorf("warned of %q", warned)
	}
	before, err := e.dyn.Resource(claims).Namespace(e.ns).Get(e.ctx, "web-data", metav1.GetOptions{})
	check(t, err)
	for _, name := range e.left() {
		if !strings.HasPrefix(name, "Secret shipit-shop") {
			t.Errorf("left: %s", name)
		}
	}
	good := e.podless("web", "1")
	good.Objects = append(good.Objects, claim)
	e.mustDeploy(good)
	// A release without the claim, and the service gone, keep it too.
	e.mustDeploy(e.podless("web", "2"))
	e.mustDeploy(e.podless("api", "1"))
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Fatalf("deleted: %s, %v", res.Outcome, err)
	}
	after, err := e.dyn.Resource(claims).Namespace(e.ns).Get(e.ctx, "web-data", metav1.GetOptions{})
	check(t, err)
	if before.GetUID() != after.GetUID() {
		t.Error("the claim was deleted and made again")
	}
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("deleted again: %s, %v", res.Outcome, err)
	}
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Claims: true}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Errorf("deleted with claims: %s, %v", res.Outcome, err)
	}
	e.isGone(claims, "web-data")
}

// Going back restores every field, makes again what is gone and removes what is
// too many, and leaves an intent and an outcome of its own.
func TestRollbackIsExact(t *testing.T) {
	e := newEnv(t)
	first := e.version("web", "1")
	first.Objects = append(first.Objects, e.hashedConfig("web", "1"))
	e.mustDeploy(first)
	second := e.version("web", "2")
	second.Objects = append(second.Objects, e.hashedConfig("web", "2"), e.made("web", "v1", "ConfigMap", "web-more", map[string]any{"data": map[string]any{"k": "v"}}))
	for _, o := range second.Objects {
		o.SetAnnotations(map[string]string{"example.com/new": "yes"})
	}
	e.mustDeploy(second)
	check(t, e.dyn.Resource(configMaps).Namespace(e.ns).Delete(e.ctx, "web-app-1", metav1.DeleteOptions{}))
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}}, e.log)
	if err != nil || res.Outcome != apply.Deployed || res.Units[0].Release != 1 {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	e.ended(res)
	e.isGone(configMaps, "web-more")
}

// A rollback to a release whose Secret is gone is refused before it starts.
func TestRollbackWithoutItsSecret(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.mustDeploy(e.podless("web", "2"))
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	check(t, e.dyn.Resource(secrets).Namespace(e.ns).Delete(e.ctx, "web-db-2", metav1.DeleteOptions{}))
	before := e.versions()
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{To: 2}, e.log)
	var gone *apply.GoneError
	if !errors.As(err, &gone) || gone.Object.Name != "web-db-2" || res.Outcome != apply.Refused {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("a refused rollback wrote:\nbefore %v\nafter  %v", before, after)
	}
}

// Hashed objects live as long as a retained release refers to them.
func TestHashedObjectsArePruned(t *testing.T) {
	e := newEnv(t)
	for n := 1; n <= 12; n++ {
		e.mustDeploy(e.podless("web", fmt.Sprint(n)))
		if n == 10 {
			e.isThere(secrets, "web-db-1")
		}
	}
	e.isGone(secrets, "web-db-1")
	e.isGone(configMaps, "web-app-2")
	e.isThere(secrets, "web-db-3")
	e.isThere(configMaps, "web-app-3")
	e.isAt("web", 12)
	before := e.versions()
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "12")}}, nil); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("again: %s, %v", res.Outcome, err)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("an unchanged deploy wrote:\nbefore %v\nafter  %v", before, after)
	}
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: 3}, e.log); err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("to the oldest: %s, %v", res.Outcome, err)
	}
	e.isAt("web", 3)
}

func (e *env) isThere(r schema.GroupVersionResource, name string) {
	e.Helper()
	if _, err := e.dyn.Resource(r).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{}); err != nil {
		e.Errorf("%s %s: %v", r.Resource, name, err)
	}
}

func (e *env) isGone(r schema.GroupVersionResource, name string) {
	e.Helper()
	o, err := e.dyn.Resource(r).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	if err == nil && o.GetDeletionTimestamp() == nil {
		e.Errorf("%s %s is there", r.Resource, name)
	}
}

// A deploy is returned to as a whole, wherever its services went since.
func TestRollbackToADeploy(t *testing.T) {
	e := newEnv(t)
	first := e.mustDeploy(e.podless("api", "1"), e.podless("web", "1"))
	e.mustDeploy(e.podless("api", "2"), e.podless("web", "2"))
	e.mustDeployOnly(e.podless("api", "3"))
	e.mustDeployOnly(e.podless("mail", "1"))
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{DeployID: first.DeployID}, e.log)
	if err != nil || res.Outcome != apply.Deployed || len(res.Units) != 2 {
		t.Fatalf("outcome %s, units %+v, error %v", res.Outcome, res.Units, err)
	}
	e.isAt("api", 1)
	e.isAt("web", 1)
	e.isAt("mail", 1)
	e.ended(res)
	// A rollback is a deploy to return to as well.
	e.mustDeployOnly(e.podless("web", "9"))
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{DeployID: res.DeployID, Units: []string{"web"}}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	var none *apply.NoDeployError
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{DeployID: "never"}, nil); !errors.As(err, &none) || res.Outcome != apply.Refused {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	var without *apply.NoReleaseError
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{DeployID: first.DeployID, Units: []string{"mail"}}, nil); !errors.As(err, &without) || res.Outcome != apply.Refused {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

// Without names it is the last deploy that is taken back: what that left alone stays.
func TestRollbackOfTheLastDeploy(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("api", "1"), e.podless("web", "1"))
	e.mustDeploy(e.podless("api", "2"), e.podless("web", "2"))
	e.mustDeployOnly(e.podless("api", "3"))
	for _, want := range []map[string]int{{"api": 2, "web": 2}, {"api": 1, "web": 2}} {
		res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
		if err != nil || res.Outcome != apply.Deployed || len(res.Units) != 1 {
			t.Fatalf("outcome %s, units %+v, error %v", res.Outcome, res.Units, err)
		}
		for unit, release := range want {
			e.isAt(unit, release)
		}
	}
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
}

// A conflict on an asked rollback is named, and nothing is forced.
func TestRollbackConflict(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.mustDeploy(e.podless("web", "2"))
	_, err := e.dyn.Resource(deployments).Namespace(e.ns).Patch(e.ctx, "web", types.MergePatchType, []byte(`{"spec":{"minReadySeconds":7}}`), metav1.PatchOptions{FieldManager: "somebody"})
	check(t, err)
	var conflict *apply.ConflictError
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if !errors.As(err, &conflict) || res.Outcome != apply.Refused || conflict.Manager != "somebody" {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

// A Job never changes: a release has its own, which a rollback makes again.
func TestRollbackOfAJob(t *testing.T) {
	e := newEnv(t)
	job := func(version string) apply.Unit {
		u := e.unit(service{name: "seed", env: map[string]string{"EXIT": "0"}})
		o := u.Objects[2]
		template, _, err := unstructured.NestedMap(o.Object, "spec", "template")
		check(t, err)
		check(t, unstructured.SetNestedField(template, "Never", "spec", "restartPolicy"))
		check(t, unstructured.SetNestedField(template, version, "metadata", "annotations", "example.com/version"))
		return apply.Unit{Name: "seed", Objects: []*unstructured.Unstructured{u.Objects[0], e.made("seed", "batch/v1", "Job", "seed-"+version, map[string]any{
			"spec": map[string]any{"backoffLimit": int64(0), "template": template},
		})}}
	}
	e.mustDeploy(job("1"))
	e.mustDeploy(job("2"))
	e.isGone(jobs, "seed-1")
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("seed", 1)
	e.isThere(jobs, "seed-1")
}

// A rollback without names does not take back half of a deploy that removed something:
// it is refused, and names what is gone; nor does it take back another deploy instead.
// Who names the services that are there gets them back alone.
func TestRollbackOfARemoval(t *testing.T) {
	e := newEnv(t)
	moved := e.value("db", "shared", "1")
	first := e.mustDeploy(e.small("web"), with(e.small("db"), moved))
	app := apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{e.value(apply.AppUnit, "shared", "2")}}
	second := e.mustDeploy(with(e.small("web"), e.value("web", "more", "2")), app) // which removes db, and keeps what it had
	before := e.versions()
	refused := func(req apply.RollbackRequest, units ...string) {
		t.Helper()
		res, err := e.client().Rollback(e.ctx, req, e.log)
		var removed *apply.RemovedError
		if !errors.As(err, &removed) || res.Outcome != apply.Refused || !slices.Equal(removed.Units, units) {
			t.Errorf("%+v: %s, %v", req, res.Outcome, err)
		}
	}
	refused(apply.RollbackRequest{}, "db")
	refused(apply.RollbackRequest{DeployID: first.DeployID}, "db")
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("something was written:\nbefore %v\nafter  %v", before, after)
	}
	// One that only removes is the last one, too.
	e.mustDeploy(with(e.small("web"), e.value("web", "more", "2")))
	refused(apply.RollbackRequest{}, apply.AppUnit)
	refused(apply.RollbackRequest{DeployID: second.DeployID}, apply.AppUnit)

	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}}, e.log)
	if err != nil || res.Outcome != apply.Deployed || res.Units[0].Release != 1 {
		t.Errorf("web alone: %s, %v", res.Outcome, err)
	}
	// And then that was the last.
	e.mustDeploy(with(e.small("web"), e.value("web", "more", "3")))
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log); err != nil || res.Outcome != apply.Deployed {
		t.Errorf("then: %s, %v", res.Outcome, err)
	}
}

// What the last deploy added goes with it, and the next rollback goes further.
func TestRollbackRemovesWhatWasAdded(t *testing.T) {
	e := newEnv(t)
	web := func(version string) apply.Unit { return with(e.small("web"), e.value("web", "version", version)) }
	e.mustDeploy(web("1"))
	e.mustDeploy(web("2"))
	e.mustDeploy(web("3"), e.small("more"))
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed || outcomeOf(res, "more") != apply.Removed {
		t.Errorf("%s, %+v, %v", res.Outcome, res.Units, err)
	}
	e.isAt("web", 2)
	e.isGone(configMaps, "of-more")
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("again: %s, %v", res.Outcome, err)
	}
	e.isAt("web", 1)
}

// Two who take back the same deploy at once take back one.
func TestTwoRollbacksAtOnce(t *testing.T) {
	e := newEnv(t)
	for _, version := range []string{"1", "2", "3"} {
		e.mustDeploy(e.podless("web", version))
	}
	h := e.pausedCall(3, func(c *apply.Client) (*apply.Result, error) {
		return c.Rollback(e.ctx, apply.RollbackRequest{}, nil)
	})
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{LockWait: holds}, h.letGo(e))
	if err != nil || res.Outcome != apply.Unchanged || res.Units[0].Release != 2 {
		t.Errorf("%s, %+v, %v", res.Outcome, res.Units, err)
	}
	e.isAt("web", 2)
}
