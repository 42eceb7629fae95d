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

	"github.com/shipit-dev/shipit/apply"
)

// customKind defines a kind with a status, under a group that no other test has.
func (e *env) customKind(group, kind, plural string) schema.GroupVersionResource {
	e.Helper()
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	anything := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": plural + "." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": kind, "plural": plural},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{"spec": anything, "status": anything}}},
			}},
		},
	}}
	_, err := e.dyn.Resource(definitions).Create(e.ctx, definition, metav1.CreateOptions{})
	check(e.T, err)
	e.Cleanup(func() {
		_ = e.dyn.Resource(definitions).Delete(context.Background(), definition.GetName(), metav1.DeleteOptions{})
	})
	r := schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}
	w, err := e.dyn.Resource(definitions).Watch(e.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + definition.GetName()})
	check(e.T, err)
	defer w.Stop()
	for ev := range w.ResultChan() {
		o := ev.Object.(*unstructured.Unstructured)
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			if m := c.(map[string]any); m["type"] == "Established" && m["status"] == "True" {
				return r
			}
		}
	}
	e.Fatal("the definition was not established")
	return r
}

// controller does to each object of a resource, as it comes, what a controller
// would, until the test ends.
func (e *env) controller(r schema.GroupVersionResource, act func(o *unstructured.Unstructured) error) {
	e.Helper()
	w, err := e.dyn.Resource(r).Namespace(e.ns).Watch(e.ctx, metav1.ListOptions{})
	check(e.T, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range w.ResultChan() {
			if o, ok := ev.Object.(*unstructured.Unstructured); ok && ev.Type == "ADDED" {
				if err := act(o); err != nil && e.ctx.Err() == nil && !apierrors.IsNotFound(err) {
					e.Error(err)
				}
			}
		}
	}()
	e.Cleanup(func() {
		w.Stop()
		<-done
	})
}

// A Secret that a controller makes of what is deployed is waited for, so that
// pods find it; why it is not made is told.
func TestExternalSecret(t *testing.T) {
	e := newEnv(t)
	e.namespace(nil)
	external := e.customKind(e.ns+".external-secrets.io", "ExternalSecret", "externalsecrets")
	unit := func(name string) apply.Unit {
		u := e.deployment("web", "1", "env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: "+name+", key: token}}}]", "")
		u.Objects = append(u.Objects, e.object("web", "apiVersion: "+external.Group+"/v1\nkind: ExternalSecret\nmetadata: {name: "+name+"}\nspec: {target: {name: "+name+"}}"))
		return u
	}
	e.controller(external, func(o *unstructured.Unstructured) error {
		if o.GetName() == "good" {
			secret := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "good"}, "stringData": map[string]any{"token": "t"},
			}}
			_, err := e.dyn.Resource(secrets).Namespace(e.ns).Create(e.ctx, secret, metav1.CreateOptions{})
			return err
		}
		check := unstructured.SetNestedSlice(o.Object, []any{map[string]any{
			"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "key token is not in the store",
		}}, "status", "conditions")
		_, err := e.dyn.Resource(external).Namespace(e.ns).UpdateStatus(e.ctx, o, metav1.UpdateOptions{})
		return errors.Join(check, err)
	})
	e.mustDeploy(unit("good"))
	running := e.pods("web")

	res, _ := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{unit("bad")}}, nil)
	if res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s", res.Outcome)
	}
	d := res.Units[0].Diagnosis
	if d == nil || d.Code != apply.CodeConfigMissing || !strings.Contains(d.Message, "SecretSyncedError: key token is not in the store") || d.Hint == "" {
		t.Errorf("diagnosis %+v", d)
	}
	e.samePods("web", running)
}
