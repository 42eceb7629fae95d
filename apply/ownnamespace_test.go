package apply_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

func (e *env) namespaceWith(labels map[string]string) apply.Unit {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": e.ns}}}
	o.SetLabels(labels)
	return apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{o}}
}

func (e *env) namespaceLabels() map[string]string {
	e.Helper()
	o, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{})
	check(e.T, err)
	return o.GetLabels()
}

const enforce = "pod-security.kubernetes.io/enforce"

// An app labels its namespace before its first pod, changes that, returns, and
// takes its labels away again; those of others stay, and so does a namespace that
// it did not make.
func TestOwnNamespace(t *testing.T) {
	t.Parallel()
	for _, made := range []string{"by shipit", "before"} {
		t.Run(made, func(t *testing.T) {
			e := newEnv(t)
			if made == "before" {
				e.namespace(map[string]string{"team": "shop", enforce: "privileged"})
			}
			web := e.podless("web", "1")
			app := e.namespaceWith(map[string]string{enforce: "baseline", "example.com/a": "1"})
			if made == "before" {
				_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{app, web}, Force: true}, nil)
				check(t, err)
			} else {
				e.mustDeploy(app, web)
			}
			if l := e.namespaceLabels(); l[enforce] != "baseline" || l["example.com/a"] != "1" || l["app.kubernetes.io/part-of"] != "" {
				t.Errorf("labels %v", l)
			}
			e.deployUnchanged(app, web)
			e.mustDeploy(e.namespaceWith(map[string]string{enforce: "privileged"}), web)
			if l := e.namespaceLabels(); l[enforce] != "privileged" || l["example.com/a"] != "" {
				t.Errorf("changed labels %v", l)
			}
			_, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
			check(t, err)
			if l := e.namespaceLabels(); l[enforce] != "baseline" || l["example.com/a"] != "1" {
				t.Errorf("labels after the rollback %v", l)
			}
			// A failed deploy puts them back, and one without them takes them away.
			res, _ := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.namespaceWith(map[string]string{"example.com/b": "2"}), e.broken("web")}}, nil)
			if l := e.namespaceLabels(); res.Outcome != apply.RolledBack || l["example.com/a"] != "1" || l["example.com/b"] != "" {
				t.Errorf("%s: labels %v", res.Outcome, l)
			}
			_, err = e.dyn.Resource(namespaces).Patch(e.ctx, e.ns, types.MergePatchType, []byte(`{"metadata":{"labels":{"theirs":"x"}}}`), metav1.PatchOptions{FieldManager: "somebody"})
			check(t, err)
			e.mustDeploy(web)
			if l := e.namespaceLabels(); l["example.com/a"] != "" || l[enforce] != "" || l["theirs"] != "x" {
				t.Errorf("labels after the word went: %v", l)
			}
			e.mustDeploy(app, web)
			_, err = e.client().Delete(e.ctx, apply.DeleteRequest{Claims: true}, e.log)
			check(t, err)
			if made == "before" {
				if l := e.namespaceLabels(); l["example.com/a"] != "" || l["team"] != "shop" {
					t.Errorf("labels after the deletion: %v", l)
				}
			}
		})
	}
}
