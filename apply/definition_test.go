package apply_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/apply"
)

// A deploy may define a kind and have objects of it; going without them removes
// the objects, and leaves the definition, with which those of others would go.
func TestDefinedKind(t *testing.T) {
	e := newEnv(t)
	group := e.ns + ".example.com"
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	widgets := schema.GroupVersionResource{Group: group, Version: "v1", Resource: "widgets"}
	name := "widgets." + group
	t.Cleanup(func() {
		err := e.dyn.Resource(definitions).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	ofApp := func(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
		o := e.made("", apiVersion, kind, name, map[string]any{"spec": spec})
		o.SetNamespace("")
		labels := o.GetLabels()
		delete(labels, "app.kubernetes.io/name")
		o.SetLabels(labels)
		return o
	}
	definition := ofApp("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, map[string]any{
		"group": group, "scope": "Namespaced",
		"names": map[string]any{"kind": "Widget", "plural": "widgets"},
		"versions": []any{map[string]any{
			"name": "v1", "served": true, "storage": true,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
				"spec": map[string]any{"type": "object", "properties": map[string]any{"size": map[string]any{"type": "integer"}}},
			}}},
		}},
	})
	widget := ofApp(group+"/v1", "Widget", "one", map[string]any{"size": int64(3)})
	app := apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{widget, definition}}
	e.mustDeploy(app, e.podless("web", "1"))
	e.isThere(widgets, "one")
	before := e.things(widgets, secrets)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{app, e.podless("web", "1")}}, nil)
	check(t, err)
	if after := e.things(widgets, secrets); res.Outcome != apply.Unchanged || !maps.Equal(before, after) {
		t.Errorf("outcome %s\nbefore %v\nafter  %v", res.Outcome, before, after)
	}

	e.mustDeploy(e.podless("web", "1"))
	e.isGone(widgets, "one")
	_, err = e.dyn.Resource(definitions).Get(e.ctx, name, metav1.GetOptions{})
	check(t, err)

	unknown := ofApp("nobody.example.com/v1", "Gadget", "one", map[string]any{})
	_, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{unknown}}}}, nil)
	if err == nil || !strings.Contains(err.Error(), "the cluster has no kind Gadget") {
		t.Errorf("error %v", err)
	}
}

// A definition gains a field, or a version, and what uses it is in the same deploy;
// so it is on the way there and back.
func TestDefinitionChanges(t *testing.T) {
	e := newEnv(t)
	group := e.ns + ".example.com"
	name := "widgets." + group
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	t.Cleanup(func() {
		err := e.dyn.Resource(definitions).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	integer := map[string]any{"type": "integer"}
	version := func(name string, storage bool, fields map[string]any) any {
		return map[string]any{"name": name, "served": true, "storage": storage, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
			"spec": map[string]any{"type": "object", "properties": fields},
		}}}}
	}
	app := func(apiVersion string, spec map[string]any, versions ...any) apply.Unit {
		definition := e.raw("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": "Widget", "plural": "widgets"}, "versions": versions,
		})
		definition.SetNamespace("")
		return apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{definition, e.raw(group+"/"+apiVersion, "Widget", "one", spec)}}
	}
	size := map[string]any{"size": integer}
	more := map[string]any{"size": integer, "colour": map[string]any{"type": "string", "enum": []any{"red"}}}
	bounded := map[string]any{"size": map[string]any{"type": "integer", "maximum": int64(5)}}
	looser := map[string]any{"size": map[string]any{"type": "integer", "maximum": int64(50)}, "colour": map[string]any{"type": "string"}}
	at := func(version, field string) any {
		o, err := e.dyn.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: "widgets"}).Namespace(e.ns).Get(e.ctx, "one", metav1.GetOptions{})
		check(t, err)
		v, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", field)
		return v
	}
	e.mustDeploy(app("v1", map[string]any{"size": int64(3)}, version("v1", true, size)))
	e.mustDeploy(app("v1", map[string]any{"size": int64(3), "colour": "red"}, version("v1", true, more)))
	if at("v1", "colour") != "red" {
		t.Error("the new field is not there")
	}
	e.mustDeploy(app("v1", map[string]any{"size": int64(4)}, version("v1", true, bounded)))
	e.mustDeploy(app("v1", map[string]any{"size": int64(40)}, version("v1", true, looser)))
	if at("v1", "size") != int64(40) {
		t.Error("the value that the new definition allows is not there")
	}
	e.mustDeploy(app("v2", map[string]any{"size": int64(41), "colour": "blue"}, version("v1", false, looser), version("v2", true, looser)))
	if at("v2", "size") != int64(41) || at("v2", "colour") != "blue" {
		t.Error("the object is not there in the new version")
	}
	e.deployUnchanged(app("v2", map[string]any{"size": int64(41), "colour": "blue"}, version("v1", false, looser), version("v2", true, looser)))
	// One that is wrong by the new definition too fails, and the old one comes back.
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{app("v2", map[string]any{"size": "large"}, version("v1", false, more), version("v2", true, more))}}, nil)
	if err == nil || res.Outcome != apply.RolledBack || at("v2", "size") != int64(41) {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	// A version that is stored already cannot go again: that keeps nothing from returning.
	said, res, err := e.warned(apply.Request{Units: []apply.Unit{
		app("v3", map[string]any{"size": int64(1)}, version("v1", false, looser), version("v2", false, looser), version("v3", true, looser)), e.broken("web"),
	}})
	if err == nil || res.Outcome != apply.RolledBack && res.Outcome != apply.Removed || at("v2", "size") != int64(41) || !strings.Contains(said, name+" cannot become again what it was, and stays as it is") {
		t.Errorf("%s, %v, warned of %q", res.Outcome, err, said)
	}
}
