package apply_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// value is a ConfigMap of a unit, with a value.
func (e *env) value(unit, name, value string) *unstructured.Unstructured {
	e.Helper()
	o := e.object(unit, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+"}")
	o.Object["data"] = map[string]any{"value": value}
	return o
}

// small is a service of one ConfigMap of its own, and more objects.
func (e *env) small(name string, more ...*unstructured.Unstructured) apply.Unit {
	return apply.Unit{Name: name, Objects: append([]*unstructured.Unstructured{e.value(name, "of-"+name, "1")}, more...)}
}

// port is a Service of a unit.
func (e *env) port(unit, name, clusterIP string) *unstructured.Unstructured {
	return e.object(unit, "apiVersion: v1\nkind: Service\nmetadata: {name: "+name+"}\nspec: {"+clusterIP+"selector: {a: b}, ports: [{name: http, port: 80}]}")
}

// belongs fails unless an object is there, is the one of that UID unless that is "",
// and is of the unit. It returns the UID.
func (e *env) belongs(r schema.GroupVersionResource, name, unit, uid string) string {
	e.Helper()
	o, err := e.dyn.Resource(r).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	if err != nil {
		e.Errorf("%s %s: %v", r.Resource, name, err)
		return ""
	}
	if unit == apply.AppUnit {
		unit = ""
	}
	if got := o.GetLabels()["app.kubernetes.io/name"]; got != unit || o.GetDeletionTimestamp() != nil || uid != "" && string(o.GetUID()) != uid {
		e.Errorf("%s %s: of %q with UID %s, want of %q with %q", r.Resource, name, got, o.GetUID(), unit, uid)
	}
	return string(o.GetUID())
}

// A new object costs two requests: a dry run and its creation.
func TestNewObjectsAreNotLookedFor(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.small("other"))
	var objects []*unstructured.Unstructured
	for _, name := range []string{"a", "b", "c", "d"} {
		objects = append(objects, e.value("web", name, "1"), e.port("web", name, ""))
	}
	counting, sent := e.counted()
	_, err := counting.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", objects...), e.small("other")}}, nil)
	check(t, err)
	of := map[string][]string{}
	for _, s := range sent.sent {
		method, path, _ := strings.Cut(s, " ")
		if strings.Contains(path, "/configmaps/") || strings.Contains(path, "/services/") {
			of[path] = append(of[path], method)
		}
	}
	if len(of) != 9 {
		t.Errorf("requests for %d objects: %v", len(of), of)
	}
	for path, methods := range of {
		if strings.Join(methods, " ") != "DRYRUN PATCH" {
			t.Errorf("%s: %v", path, methods)
		}
	}
}

// What is there and not ours is refused whatever it says of itself: like what is
// wanted or not, with the app's labels or without, and by force too. So is what
// somebody makes after it was looked for.
func TestForeignObjectsAreRefused(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.small("other"))
	foreign := func(name string, change func(*unstructured.Unstructured)) {
		o := e.value("web", name, "1")
		change(o)
		_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Create(e.ctx, o, metav1.CreateOptions{FieldManager: "somebody"})
		check(t, err)
	}
	for name, change := range map[string]func(*unstructured.Unstructured){
		"same":      func(*unstructured.Unstructured) {},
		"unlike":    func(o *unstructured.Unstructured) { o.SetLabels(nil); o.Object["data"] = map[string]any{"value": "2"} },
		"disjoint":  func(o *unstructured.Unstructured) { o.SetLabels(nil); o.Object["data"] = map[string]any{"x": "y"} },
		"immutable": func(o *unstructured.Unstructured) { o.Object["immutable"], o.Object["data"] = true, nil },
	} {
		foreign(name, change)
		for _, force := range []bool{false, true} {
			before := e.versions()
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", e.value("web", name, "1"))}, Only: []string{"web"}, Force: force}, nil)
			var notOurs *apply.NotOursError
			if !errors.As(err, &notOurs) || notOurs.Object.Name != name || notOurs.Manager != "somebody" || res.Outcome != apply.Refused {
				t.Errorf("%s, force %v: %s, %v", name, force, res.Outcome, err)
			}
			if after := e.versions(); after["ConfigMap "+name] != before["ConfigMap "+name] {
				t.Errorf("%s, force %v: it changed", name, force)
			}
		}
	}

	for _, force := range []bool{false, true} {
		late := *e
		late.cfg = rest.CopyConfig(e.cfg)
		name := map[bool]string{false: "late", true: "late-by-force"}[force]
		var once sync.Once
		late.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" && strings.HasSuffix(req.URL.Path, "/configmaps/"+name) {
					once.Do(func() {
						foreign(name, func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{"x": "y"} })
					})
				}
				return next.RoundTrip(req)
			})
		})
		res, err := late.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", e.value("web", name, "1"))}, Only: []string{"web"}, Force: force}, nil)
		if res.Outcome != apply.Removed || len(res.Diagnoses()) != 1 || res.Diagnoses()[0].Object.Name != name || res.Diagnoses()[0].Code != apply.CodeConflict {
			t.Errorf("%s: %s, %v", name, res.Outcome, err)
		}
		o, err := e.dyn.Resource(configMaps).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
		check(t, err)
		if data, _, _ := unstructured.NestedStringMap(o.Object, "data"); len(data) != 1 || data["x"] != "y" {
			t.Errorf("%s was written over: %v", name, data)
		}
		// The record of the failed deploy makes it nobody else's later, either.
		res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web", e.value("web", name, "1"))}, Only: []string{"web"}, Force: force}, nil)
		var notOurs *apply.NotOursError
		if !errors.As(err, &notOurs) || res.Outcome != apply.Refused {
			t.Errorf("%s, deployed again: %s, %v", name, res.Outcome, err)
		}
	}
}

// A creation whose answer does not arrive is not taken for somebody else's.
func TestCreationIsSentAgain(t *testing.T) {
	e := newEnv(t)
	lost := *e
	lost.cfg = rest.CopyConfig(e.cfg)
	var once sync.Once
	lost.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(req)
			if err == nil && req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" && strings.HasSuffix(req.URL.Path, "/configmaps/of-web") {
				once.Do(func() {
					_ = res.Body.Close()
					res, err = nil, syscall.ECONNRESET
				})
			}
			return res, err
		})
	})
	_, err := lost.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.small("web")}}, nil)
	check(t, err)
	e.belongs(configMaps, "of-web", "web", "")
}
