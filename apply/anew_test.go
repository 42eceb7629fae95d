package apply_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

var roleBindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}

// What was deleted by hand so that a deploy could make it anew with another immutable
// field goes back all the same: the failed deploy's own is made anew. The pods of a
// StatefulSet and its claims stay.
func TestWayBackMakesAnew(t *testing.T) {
	e := newEnv(t)
	set := func(o *unstructured.Unstructured, value any, fields ...string) {
		t.Helper()
		check(t, unstructured.SetNestedField(o.Object, value, fields...))
	}
	db := func(size, exit string) apply.Unit {
		u := e.statefulSet("db", 1, "", "env: [{name: EXIT, value: \""+exit+"\"}]\n")
		templates, _, _ := unstructured.NestedSlice(u.Objects[3].Object, "spec", "volumeClaimTemplates")
		set(&unstructured.Unstructured{Object: templates[0].(map[string]any)}, size, "spec", "resources", "requests", "storage")
		set(u.Objects[3], templates, "spec", "volumeClaimTemplates")
		return u
	}
	web := func(role string) apply.Unit {
		return with(e.podless("web", "1"), e.made("web", "rbac.authorization.k8s.io/v1", "RoleBinding", "web", map[string]any{
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "web", "namespace": e.ns}},
		}), e.empty(e.job("web", "", "").Objects[1]))
	}
	e.mustDeploy(db("1024Mi", ""), web("view"))
	before := e.things(claims)

	orphan := metav1.DeletePropagationOrphan
	gone := func(r schema.GroupVersionResource, name string, how metav1.DeletionPropagation) {
		t.Helper()
		check(t, e.dyn.Resource(r).Namespace(e.ns).Delete(e.ctx, name, metav1.DeleteOptions{PropagationPolicy: &how}))
		e.polls(func() (string, bool) {
			_, err := e.dyn.Resource(r).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
			return name + " is there", err != nil
		})
	}
	gone(statefulSets, "db", orphan)
	gone(roleBindings, "web", metav1.DeletePropagationBackground)
	gone(services, "web", metav1.DeletePropagationBackground)
	gone(deployments, "web", metav1.DeletePropagationBackground)
	gone(jobs, "web-0123456789", metav1.DeletePropagationBackground)

	broken := web("edit")
	for _, o := range broken.Objects {
		switch o.GetKind() {
		case "Service":
			set(o, "None", "spec", "clusterIP")
		case "Deployment":
			set(o, "x", "spec", "selector", "matchLabels", "x")
			set(o, "x", "spec", "template", "metadata", "labels", "x")
		case "Job":
			set(o, "x", "spec", "template", "metadata", "annotations", "example.com/x")
		}
	}
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{db("2048Mi", "1"), broken}}, nil)
	if err == nil || res.Outcome != apply.RolledBack {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	e.isAt("db", 1)
	e.isAt("web", 1)
	for name := range before {
		if _, there := e.things(claims)[name]; !there {
			t.Errorf("%s is gone", name)
		}
	}
	o, err := e.dyn.Resource(services).Namespace(e.ns).Get(e.ctx, "web", metav1.GetOptions{})
	check(t, err)
	if address, _, _ := unstructured.NestedString(o.Object, "spec", "clusterIP"); address == "None" || address == "" {
		t.Errorf("the Service has the address %q", address)
	}
}

// One object that cannot return keeps no other from returning, and is named.
func TestOneObjectCannotReturn(t *testing.T) {
	e := newEnv(t)
	api := func(version string) apply.Unit {
		return with(e.podless("api", version), e.made("api", "v1", "ConfigMap", "conf", map[string]any{"data": map[string]any{"k": version}}))
	}
	e.mustDeploy(api("1"), e.podless("web", "1"))
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{api("2"), e.broken("web", "api")}}, func(ev apply.Event) {
		if ev.Kind == apply.EventFailed {
			_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Patch(e.ctx, "conf", types.MergePatchType, []byte(`{"immutable":true}`), metav1.PatchOptions{FieldManager: "somebody"})
			check(t, err)
		}
	})
	if err == nil || res.Outcome != apply.Failed || outcomeOf(res, "web") != apply.RolledBack || outcomeOf(res, "api") != apply.Failed || !strings.Contains(err.Error(), "ConfigMap conf") {
		t.Errorf("%+v, %v", res, err)
	}
	e.isAt("web", 1)
}
