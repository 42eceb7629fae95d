package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// app is the unit of what belongs to no service.
func (e *env) app(objects ...*unstructured.Unstructured) apply.Unit {
	return apply.Unit{Name: apply.AppUnit, Objects: objects}
}

// twoVersions defines a kind that the cluster serves in v1, whose objects may have a
// size and a color, and v2, whose objects may have what properties say.
func (e *env) twoVersions(kind string, properties ...string) schema.GroupVersionResource {
	e.Helper()
	group, plural := e.ns+".example.com", strings.ToLower(kind)+"s"
	version := func(name string, storage bool, properties ...string) map[string]any {
		spec := map[string]any{}
		for _, p := range properties {
			spec[p] = map[string]any{"type": "string"}
		}
		return map[string]any{"name": name, "served": true, "storage": storage, "schema": map[string]any{"openAPIV3Schema": map[string]any{
			"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "properties": spec}},
		}}}
	}
	name := plural + "." + group
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": kind, "plural": plural},
			"versions": []any{version("v1", true, "size", "color"), version("v2", false, properties...)},
		},
	}}
	_, err := e.dyn.Resource(definitions).Create(e.ctx, o, metav1.CreateOptions{})
	check(e.T, err)
	e.Cleanup(func() {
		err := e.dyn.Resource(definitions).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			e.Error(err)
		}
	})
	r := schema.GroupVersionResource{Group: group, Version: "v2", Resource: plural}
	for _, version := range []string{"v1", "v2"} {
		e.polls(func() (string, bool) {
			_, err := e.dyn.Resource(r.GroupResource().WithVersion(version)).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
			return "not served", err == nil
		})
	}
	return r
}

// A manifest in another version is the same object: it is updated, there and back,
// whatever unit it is of, and nothing else becomes of it.
func TestVersionIsNotIdentity(t *testing.T) {
	e := newEnv(t)
	gears := e.twoVersions("Gear", "size", "color")
	scaler := func(unit, version, spec string) *unstructured.Unstructured {
		return e.object(unit, "apiVersion: autoscaling/"+version+"\nkind: HorizontalPodAutoscaler\nmetadata: {name: hpa-"+strings.Trim(unit, "_")+"}\nspec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: elsewhere}, "+spec+"}")
	}
	v1 := func(unit string) *unstructured.Unstructured {
		return scaler(unit, "v1", "targetCPUUtilizationPercentage: 80")
	}
	v2 := func(unit string) *unstructured.Unstructured {
		return scaler(unit, "v2", "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]")
	}
	gear := func(version, size string) *unstructured.Unstructured {
		o := e.object("web", "apiVersion: "+gears.Group+"/"+version+"\nkind: Gear\nmetadata: {name: big}\nspec: {size: "+size+"}")
		o.SetNamespace("") // the kind says that it has one
		return o
	}
	first := []apply.Unit{e.app(v1(apply.AppUnit)), e.small("web", v1("web"), gear("v1", "one"))}
	second := []apply.Unit{e.app(v2(apply.AppUnit)), e.small("web", v2("web"), gear("v2", "one"))}
	uids := map[string]string{}
	same := func(what string) {
		t.Helper()
		for name, r := range map[string]schema.GroupVersionResource{"hpa-app": autoscalers, "hpa-web": autoscalers, "big": gears} {
			unit := "web"
			if name == "hpa-app" {
				unit = apply.AppUnit
			}
			uids[name] = e.belongs(r, name, unit, uids[name])
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	unchanged := func(what string, units []apply.Unit) {
		t.Helper()
		same(what)
		again, sent := e.counted()
		res, err := again.deploy(e.ctx, apply.Request{Units: units}, nil)
		if others, _ := sent.not("GET"); err != nil || res.Outcome != apply.Unchanged || len(others) > 0 {
			t.Errorf("%s, deployed again: %s, %v, sent %q", what, res.Outcome, err, others)
		}
	}
	e.mustDeploy(first...)
	unchanged("v1", first)
	e.mustDeploy(second...)
	unchanged("v2", second)
	for i, what := range []string{"back to v1", "and to v2"} {
		res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: i + 1}, e.log)
		if err != nil || res.Outcome != apply.Deployed {
			t.Fatalf("%s: %s, %v", what, res.Outcome, err)
		}
		unchanged(what, [][]apply.Unit{first, second}[i])
	}
	// On the way back, too.
	broken := e.broken("web")
	broken.Objects = append(broken.Objects, v1("web"), gear("v1", "two"))
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.app(v1(apply.AppUnit)), broken}}, nil); res.Outcome != apply.RolledBack {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	same("after a failure")
	if o, err := e.dyn.Resource(gears).Namespace(e.ns).Get(e.ctx, "big", metav1.GetOptions{}); err != nil || o.Object["spec"].(map[string]any)["size"] != "one" {
		t.Errorf("the gear: %v, %v", o, err)
	}
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil {
		t.Error(err)
	}
	e.isGone(autoscalers, "hpa-web")
	e.isGone(autoscalers, "hpa-app")
	e.isGone(gears, "big")
}

// A version that the server no longer has breaks neither a deploy nor a deletion. A
// release that was recorded in it is returned to in the other version if that takes
// all of it, and refused otherwise before anything is written.
func TestVersionNoLongerServed(t *testing.T) {
	e := newEnv(t)
	gears, wheels := e.twoVersions("Gear", "size", "color"), e.twoVersions("Wheel", "size")
	gear := func(version, color string) *unstructured.Unstructured {
		return e.object("web", "apiVersion: "+gears.Group+"/"+version+"\nkind: Gear\nmetadata: {name: big}\nspec: {size: one, color: "+color+"}")
	}
	wheel := func(version, spec string) *unstructured.Unstructured {
		return e.object("api", "apiVersion: "+wheels.Group+"/"+version+"\nkind: Wheel\nmetadata: {name: big}\nspec: {"+spec+"}")
	}
	e.mustDeploy(e.small("web", gear("v1", "red")), e.small("api", wheel("v1", "size: one, color: red")), e.small("db"))
	for _, r := range []schema.GroupVersionResource{gears, wheels} {
		patch := []byte(`[{"op": "replace", "path": "/spec/versions/0/served", "value": false}]`)
		_, err := e.dyn.Resource(definitions).Patch(e.ctx, r.Resource+"."+r.Group, types.JSONPatchType, patch, metav1.PatchOptions{})
		check(t, err)
		e.polls(func() (string, bool) {
			_, err := e.dyn.Resource(r.GroupResource().WithVersion("v1")).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
			return "v1 is served still", apierrors.IsNotFound(err)
		})
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", gear("v1", "red"))}, Only: []string{"web"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "write it in "+gears.Group+"/v2") {
		t.Errorf("in v1: %v", err)
	}
	e.mustDeploy(e.small("web", gear("v2", "blue")), e.small("api", wheel("v2", "size: two")), e.small("db"))
	e.status("web")

	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	o, err := e.dyn.Resource(gears).Namespace(e.ns).Get(e.ctx, "big", metav1.GetOptions{})
	check(t, err)
	if color, _, _ := unstructured.NestedString(o.Object, "spec", "color"); color != "red" {
		t.Errorf("the gear is %q", color)
	}
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"api"}}, e.log)
	var version *apply.VersionError
	if !errors.As(err, &version) || res.Outcome != apply.Refused || version.Unit != "api" || version.Release != 1 || version.Served != wheels.Group+"/v2" {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"web"}}, e.log); err != nil {
		t.Error(err)
	}
	e.isGone(gears, "big")
}
