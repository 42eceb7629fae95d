package apply_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// appKinds are the kinds of what podless has.
var appKinds = []schema.GroupVersionResource{deployments, services, accounts, configMaps, secrets}

// loseFields takes the managedFields of all objects of the app away.
func (e *env) loseFields() {
	e.Helper()
	for _, r := range appKinds {
		list, err := e.dyn.Resource(r).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=" + e.owner.App})
		check(e.T, err)
		for _, o := range list.Items {
			_, err := e.dyn.Resource(r).Namespace(e.ns).Patch(e.ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"managedFields":[{}]}}`), metav1.PatchOptions{})
			check(e.T, err)
		}
	}
}

// restored makes every object of the app anew, as somebody who restores a backup does.
func (e *env) restored() {
	e.Helper()
	for _, r := range appKinds {
		list, err := e.dyn.Resource(r).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=" + e.owner.App})
		check(e.T, err)
		for i := range list.Items {
			o := &list.Items[i]
			check(e.T, e.dyn.Resource(r).Namespace(e.ns).Delete(e.ctx, o.GetName(), metav1.DeleteOptions{}))
			for _, field := range []string{"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation"} {
				unstructured.RemoveNestedField(o.Object, "metadata", field)
			}
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIP")
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIPs")
			e.polls(func() (string, bool) {
				_, err := e.dyn.Resource(r).Namespace(e.ns).Create(e.ctx, o, metav1.CreateOptions{FieldManager: "backup"})
				return "cannot be made again", err == nil
			})
		}
	}
}

func (e *env) envOf(name string) []string {
	e.Helper()
	o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	check(e.T, err)
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	var out []string
	for _, v := range containers[0].(map[string]any)["env"].([]any) {
		out = append(out, v.(map[string]any)["name"].(string))
	}
	slices.Sort(out)
	return out
}

// zero is a unit without pods, and with other variables than podless has.
func (e *env) zero(vars map[string]string) apply.Unit {
	u := e.unit(service{env: vars})
	for _, o := range u.Objects {
		if o.GetKind() == "Deployment" {
			check(e.T, unstructured.SetNestedField(o.Object, int64(0), "spec", "replicas"))
		}
	}
	return with(u, e.hashedConfig("web", vars["A"]), e.hashedSecret("web", vars["A"]))
}

// Objects that lost their managedFields are the app's by its records: a deploy takes
// them again, says so, and removes what it does not want any more; a rollback and a
// deletion know them, too.
func TestManagedFieldsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*env){"emptied": (*env).loseFields, "made anew": (*env).restored} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.zero(map[string]string{"A": "1", "B": "1"}))
			lose(e)
			warned := 0
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.zero(map[string]string{"A": "2"})}}, func(ev apply.Event) {
				if ev.Kind == apply.EventWarning && strings.Contains(ev.Message, "lost its managedFields") {
					warned++
				}
			})
			if err != nil || res.Outcome != apply.Deployed || warned != 5 {
				t.Fatalf("%s, %d warnings, %v", res.Outcome, warned, err)
			}
			if vars := e.envOf("web"); !slices.Equal(vars, []string{"A"}) {
				t.Errorf("variables %v", vars)
			}
			e.isAt("web", 2)
			if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.zero(map[string]string{"A": "2"})}}, nil); err != nil || res.Outcome != apply.Unchanged {
				t.Errorf("again: %s, %v", res.Outcome, err)
			}

			lose(e)
			if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log); err != nil || res.Outcome != apply.Deployed {
				t.Errorf("rollback: %s, %v", res.Outcome, err)
			}
			e.isAt("web", 1)

			lose(e)
			if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Removed {
				t.Errorf("deletion: %s, %v", res.Outcome, err)
			}
			if left := e.left(); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// Without index and managedFields, what nobody else claims is the app's by its labels.
func TestManagedFieldsAndIndexLost(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.loseFields()
	e.change("shipit-shop", nil)
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || res.Outcome != apply.Removed {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	if left := e.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// What was restored without its records by somebody is not surely the app's: a
// deletion leaves it and says so, and does not say that all is removed; a deploy
// refuses it, with advice that works.
func TestRestoredWithoutRecords(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.change("shipit-shop", nil)
	e.restored()
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	var left *apply.LeftError
	if !errors.As(err, &left) || res.Outcome != apply.Failed || len(left.Objects) != 5 || !strings.Contains(left.Hint(), "kubectl -n "+e.ns+" delete ") {
		t.Errorf("deletion: %s, %v", res.Outcome, err)
	}
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"web"}}, nil); !errors.As(err, &left) {
		t.Errorf("deletion of web: %v", err)
	}
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "2")}}, nil)
	var notOurs *apply.NotOursError
	if !errors.As(err, &notOurs) || res.Outcome != apply.Refused || !strings.Contains(notOurs.Hint(), `patch serviceaccount web --type=merge -p '{"metadata":{"managedFields":[{}]}}'`) && !strings.Contains(notOurs.Hint(), "--type=merge") {
		t.Errorf("deploy: %s, %v", res.Outcome, err)
	}
	e.loseFields() // as the hint says, of each
	e.mustDeploy(e.podless("web", "2"))
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Errorf("deletion in the end: %s, %v", res.Outcome, err)
	}
}

// A copy that somebody made of a service, with its labels, is theirs: it stays, and is
// named, and what was the app's is removed.
func TestCopyWithOurLabelsStays(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	o := e.hashedConfig("web", "copy")
	_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Create(e.ctx, o, metav1.CreateOptions{FieldManager: "kubectl-create"})
	check(t, err)
	warned := ""
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned += ev.Message + "\n"
		}
	})
	if err != nil || res.Outcome != apply.Removed || !strings.Contains(warned, "left in place: ConfigMap web-app-copy has this service's labels but was not created by it") {
		t.Errorf("%s, %v, warned of %q", res.Outcome, err, warned)
	}
	if left := e.left(); !slices.Equal(left, []string{"ConfigMap web-app-copy"}) {
		t.Errorf("left: %q", left)
	}
}
