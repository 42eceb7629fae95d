package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// patches writes to an object as somebody else, by a JSON patch.
func (e *env) patches(r schema.GroupVersionResource, name, manager, patch string) {
	e.Helper()
	_, err := e.dyn.Resource(r).Namespace(e.ns).Patch(e.ctx, name, types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager})
	check(e.T, err)
}

func (e *env) get(r schema.GroupVersionResource, name string) *unstructured.Unstructured {
	e.Helper()
	o, err := e.dyn.Resource(r).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	check(e.T, err)
	return o
}

// list is one of the lists of an object, item by item as text.
func items(o *unstructured.Unstructured, fields ...string) []string {
	list, _, _ := unstructured.NestedSlice(o.Object, fields...)
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

// withEnv is a unit without pods whose container has the variables.
func (e *env) withEnv(vars ...any) apply.Unit {
	e.Helper()
	u := e.podless("web", "1")
	for _, o := range u.Objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		containers[0].(map[string]any)["env"] = vars
		check(e.T, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
	}
	return u
}

func variable(name, value string) map[string]any { return map[string]any{"name": name, "value": value} }

const containersPath = "/spec/template/spec/containers/0"

// What somebody put into a list beside ours, in a way that it cannot stay, is a
// conflict that names it; by force it goes, in a deploy and in a rollback.
func TestEditedLists(t *testing.T) {
	e := newEnv(t)
	plain := e.withEnv(variable("A", "x"))
	e.mustDeploy(plain)
	fromConfig := map[string]any{"name": "B", "valueFrom": map[string]any{"configMapKeyRef": map[string]any{"name": "web-app-1", "key": "level"}}}
	for name, tt := range map[string]struct {
		resource    schema.GroupVersionResource
		by, patch   string
		want        apply.Unit
		field, gone string
		in          []string
	}{
		"a port with another number": {
			services, "somebody", `[{"op":"replace","path":"/spec/ports/0/port","value":8083}]`, plain,
			`.spec.ports[port=8083,protocol="TCP"]`, "port:8083", []string{"spec", "ports"},
		},
		"a port more": {
			services, "kubectl-edit", `[{"op":"add","path":"/spec/ports/-","value":{"name":"more","port":9999,"protocol":"TCP","targetPort":9999}}]`, plain,
			`.spec.ports[port=9999,protocol="TCP"]`, "port:9999", []string{"spec", "ports"},
		},
		"a variable": {
			deployments, "kubectl-set", `[{"op":"add","path":"` + containersPath + `/env/-","value":{"name":"EXTRA","value":"1"}}]`, plain,
			`.spec.template.spec.containers[name="web"].env[name="EXTRA"]`, "name:EXTRA", []string{"spec", "template", "spec", "containers"},
		},
		"a container with another name": {
			deployments, "somebody", `[{"op":"replace","path":"` + containersPath + `/name","value":"other"}]`, plain,
			`.spec.template.spec.containers[name="other"]`, "name:other", []string{"spec", "template", "spec", "containers"},
		},
		"a volume": {
			deployments, "kubectl-edit", `[{"op":"add","path":"/spec/template/spec/volumes","value":[{"name":"more","emptyDir":{}}]}]`, plain,
			`.spec.template.spec.volumes[name="more"]`, "name:more", []string{"spec", "template", "spec", "volumes"},
		},
		"a container that comes first": {
			deployments, "kubectl-edit", `[{"op":"add","path":"/spec/template/spec/initContainers","value":[{"name":"more","image":"example.com/more"}]}]`, plain,
			`.spec.template.spec.initContainers[name="more"]`, "name:more", []string{"spec", "template", "spec", "initContainers"},
		},
		"a pull secret": {
			deployments, "kubectl-patch", `[{"op":"add","path":"/spec/template/spec/imagePullSecrets","value":[{"name":"more"}]}]`, plain,
			`.spec.template.spec.imagePullSecrets[name="more"]`, "name:more", []string{"spec", "template", "spec", "imagePullSecrets"},
		},
		"a value where ours is a reference": {
			deployments, "somebody", `[{"op":"add","path":"` + containersPath + `/env/-","value":{"name":"B","value":"theirs"}}]`, e.withEnv(variable("A", "x"), fromConfig),
			`.spec.template.spec.containers[name="web"].env[name="B"].value`, "theirs", []string{"spec", "template", "spec", "containers"},
		},
	} {
		e.patches(tt.resource, "web", tt.by, tt.patch)
		req := apply.Request{Units: []apply.Unit{tt.want}}
		res, err := e.deploy(e.ctx, req, nil)
		var conflict *apply.ConflictError
		if !errors.As(err, &conflict) || res.Outcome != apply.Refused {
			t.Fatalf("%s: %s, %v", name, res.Outcome, err)
		}
		if conflict.Field != tt.field || conflict.Manager != tt.by || !conflict.Added || !strings.Contains(conflict.Hint(), "--force-conflicts") {
			t.Errorf("%s: %+v", name, conflict)
		}
		req.Force = true
		if res, err = e.deploy(e.ctx, req, nil); err != nil || res.Outcome != apply.Deployed {
			t.Fatalf("%s, by force: %s, %v", name, res.Outcome, err)
		}
		if got := items(e.get(tt.resource, "web"), tt.in...); strings.Contains(strings.Join(got, " "), tt.gone) {
			t.Errorf("%s is still there: %v", name, got)
		}
		e.deployUnchanged(tt.want)
	}
	// A rollback takes it away as well.
	e.patches(services, "web", "somebody", `[{"op":"replace","path":"/spec/ports/0/port","value":8083}]`)
	var conflict *apply.ConflictError
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log); !errors.As(err, &conflict) {
		t.Fatalf("rollback: %v", err)
	}
	_, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Force: true}, e.log)
	check(t, err)
	if got := items(e.get(services, "web"), "spec", "ports"); len(got) != 1 || !strings.Contains(got[0], "port:80 ") {
		t.Errorf("ports after the rollback: %v", got)
	}
}

func (e *env) deployUnchanged(units ...apply.Unit) {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: units}, nil)
	check(e.T, err)
	if res.Outcome != apply.Unchanged {
		e.Errorf("deployed again: %s", res.Outcome)
	}
}

// What controllers add to lists stays, in deploys and rollbacks.
func TestInjectedStays(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.withEnv(variable("A", "x")))
	e.patches(deployments, "web", "injector", `[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"proxy","image":"example.com/proxy"}},
		{"op":"add","path":"`+containersPath+`/env/-","value":{"name":"HASH","value":"1"}}]`)
	e.deployUnchanged(e.withEnv(variable("A", "x")))
	e.mustDeploy(e.withEnv(variable("A", "y"), variable("C", "z")))
	_, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	check(t, err)
	if got := strings.Join(items(e.get(deployments, "web"), "spec", "template", "spec", "containers"), " "); !strings.Contains(got, "name:proxy") || !strings.Contains(got, "name:HASH") {
		t.Errorf("containers %s", got)
	}
}

// What was taken by force and is removed later goes whole, whatever its former
// manager still shares of it.
func TestTakenThenRemoved(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.withEnv(variable("A", "x")))
	e.patches(deployments, "web", "somebody", `[{"op":"add","path":"`+containersPath+`/env/-","value":{"name":"B","value":"theirs"}},
		{"op":"add","path":"/metadata/annotations","value":{"example.com/note":"theirs"}}]`)
	taken := e.withEnv(variable("A", "x"), variable("B", "ours"))
	for _, o := range taken.Objects {
		if o.GetKind() == "Deployment" {
			o.SetAnnotations(map[string]string{"example.com/note": "ours"})
		}
	}
	var conflict *apply.ConflictError
	if _, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{taken}}, nil); !errors.As(err, &conflict) {
		t.Fatalf("taken without force: %v", err)
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{taken}, Force: true}, nil)
	check(t, err)
	e.mustDeploy(e.withEnv(variable("A", "x")))
	web := e.get(deployments, "web")
	if got := strings.Join(items(web, "spec", "template", "spec", "containers"), " "); strings.Contains(got, "name:B") {
		t.Errorf("what is left: %s", got)
	}
	if note, ok := web.GetAnnotations()["example.com/note"]; ok {
		t.Errorf("the annotation is %q", note)
	}
	e.deployUnchanged(e.withEnv(variable("A", "x")))
}

// A port that somebody edits during a deploy keeps nothing from returning.
func TestEditedListOnTheWayBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	broken := e.broken("web")
	done := false
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting && !done {
			done = true
			e.patches(services, "web", "somebody", `[{"op":"replace","path":"/spec/ports/0/port","value":8083}]`)
		}
	})
	if res.Outcome != apply.RolledBack {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	if got := items(e.get(services, "web"), "spec", "ports"); len(got) != 1 || !strings.Contains(got[0], "port:80 ") {
		t.Errorf("ports %v", got)
	}
}

// A Service becomes headless, and has an address again: it is made anew, and so it
// is on the way back.
func TestHeadlessAndBack(t *testing.T) {
	e := newEnv(t)
	with := func(spec map[string]any) apply.Unit {
		u := e.podless("web", "1")
		for _, o := range u.Objects {
			if o.GetKind() == "Service" {
				for k, v := range spec {
					check(t, unstructured.SetNestedField(o.Object, v, "spec", k))
				}
			}
		}
		return u
	}
	address := func() string {
		ip, _, _ := unstructured.NestedString(e.get(services, "web").Object, "spec", "clusterIP")
		return ip
	}
	e.mustDeploy(with(map[string]any{"clusterIP": "None"}))
	said := ""
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{with(nil)}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			said += ev.Message
		}
	})
	check(t, err)
	replaced := slices.ContainsFunc(res.Units[0].Objects, func(o apply.ObjectResult) bool { return o.Action == apply.ActionReplace && o.Done })
	if address() == "None" || !replaced || !strings.Contains(said, "Service web") {
		t.Errorf("address %s, warned of %q: %+v", address(), said, res.Units[0].Objects)
	}
	e.deployUnchanged(with(nil))
	e.mustDeploy(with(map[string]any{"clusterIP": "None"}))
	if address() != "None" {
		t.Errorf("address %s", address())
	}
	_, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	check(t, err)
	if address() == "None" {
		t.Error("the rollback left it headless")
	}
	// One with ports on the nodes has more to lose.
	e.mustDeploy(with(map[string]any{"type": "NodePort"}))
	var invalid *apply.InvalidError
	if _, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{with(map[string]any{"clusterIP": "None"})}}, nil); !errors.As(err, &invalid) || !invalid.Immutable {
		t.Errorf("NodePort to headless: %v", err)
	}
	e.mustDeploy(with(nil))
}

// What the server takes and does not do is refused before anything is written.
func TestUnheeded(t *testing.T) {
	e := newEnv(t)
	claim := func(spec map[string]any) apply.Unit {
		u := e.podless("web", "1")
		all := map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Mi"}}}
		for k, v := range spec {
			all[k] = v
		}
		u.Objects = append(u.Objects, e.made("web", "v1", "PersistentVolumeClaim", "web-data", map[string]any{"spec": all}))
		return u
	}
	e.mustDeploy(e.podless("web", "1")) // so that the namespace stays
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{claim(map[string]any{"dataSource": map[string]any{"kind": "ConfigMap", "name": "x"}})}}, nil)
	var unheeded *apply.UnheededError
	if !errors.As(err, &unheeded) || !unheeded.Dropped || unheeded.Field != ".spec.dataSource" {
		t.Errorf("error %v", err)
	}
	e.mustDeploy(claim(nil))
	e.deployUnchanged(claim(nil))
}
