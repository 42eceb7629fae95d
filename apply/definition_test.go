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
