package apply_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// of is a unit whose workload is of another kind than Deployment.
func (e *env) of(kind string, u apply.Unit) apply.Unit {
	e.Helper()
	for _, o := range u.Objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		o.SetKind(kind)
		unstructured.RemoveNestedField(o.Object, "spec", "strategy")
		switch kind {
		case "StatefulSet":
			check(e.T, unstructured.SetNestedField(o.Object, o.GetName(), "spec", "serviceName"))
		case "DaemonSet":
			unstructured.RemoveNestedField(o.Object, "spec", "replicas")
		}
	}
	return u
}

// A workload that somebody deletes or changes while it is waited for ends the wait at
// once, whatever its kind, and the diagnosis says who.
func TestWorkloadTakenWhileWaiting(t *testing.T) {
	t.Parallel()
	unready := service{env: map[string]string{"UNREADY": "503"}}
	remove := func(r schema.GroupVersionResource, name string) func(*env) error {
		return func(e *env) error {
			return e.dyn.Resource(r).Namespace(e.ns).Delete(e.ctx, name, metav1.DeleteOptions{})
		}
	}
	edit := func(r schema.GroupVersionResource, patch string, sub ...string) func(*env) error {
		return func(e *env) error {
			_, err := e.dyn.Resource(r).Namespace(e.ns).Patch(e.ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}, sub...)
			return err
		}
	}
	const variable = `{"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "MORE", "value": "1"}]}]}}}}`
	tests := []struct {
		name string
		unit func(*env) apply.Unit
		do   func(*env) error
		code apply.Code
		says string
	}{
		{"Deployment deleted", func(e *env) apply.Unit { return e.unit(unready) }, remove(deployments, "web"), apply.CodeGone, "Deployment web was deleted"},
		{"StatefulSet deleted", func(e *env) apply.Unit { return e.of("StatefulSet", e.unit(unready)) }, remove(statefulSets, "web"), apply.CodeGone, "StatefulSet web was deleted"},
		{"DaemonSet deleted", func(e *env) apply.Unit { return e.of("DaemonSet", e.unit(unready)) }, remove(daemonSets, "web"), apply.CodeGone, "DaemonSet web was deleted"},
		{"Job deleted", func(e *env) apply.Unit {
			return e.job("web", "backoffLimit: 2", "env: [{name: UNREADY, value: \"1\"}]")
		}, remove(jobs, "web-0123456789"), apply.CodeGone, "Job web"},
		{"scaled to nothing", func(e *env) apply.Unit { return e.unit(unready) }, edit(deployments, `{"spec": {"replicas": 0}}`, "scale"), apply.CodeConflict, ".spec.replicas was applied as 1 and is 0"}, // which leaves no owner of 0
		{"another variable", func(e *env) apply.Unit { return e.of("StatefulSet", e.unit(unready)) }, edit(statefulSets, variable), apply.CodeConflict, `env[name="MORE"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			var at, failed time.Duration
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{tt.unit(e)}}, func(ev apply.Event) {
				switch {
				case ev.Kind == apply.EventWaiting && at == 0:
					at = ev.Elapsed
					check(t, tt.do(e))
				case ev.Kind == apply.EventFailed && failed == 0:
					failed = ev.Elapsed
				}
			})
			ds := res.Diagnoses()
			if res.Outcome != apply.Removed || len(ds) != 1 || ds[0].Code != tt.code || !strings.Contains(ds[0].Message, tt.says) {
				t.Errorf("outcome %s, error %v", res.Outcome, err)
			}
			if took := failed - at; took > 10*time.Second {
				t.Errorf("it was said after %s", took)
			}
		})
	}
}

// interfered does something once after the workload was applied, before whatever is
// read next.
type interfered struct {
	next  http.RoundTripper
	armed atomic.Bool
	once  sync.Once
	do    func()
}

func (i *interfered) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if req.Method == http.MethodGet && !query.Has("watch") && i.armed.Load() {
		i.once.Do(i.do)
	}
	res, err := i.next.RoundTrip(req)
	if req.Method == http.MethodPatch && !query.Has("dryRun") && strings.Contains(req.URL.Path, "/deployments/") {
		i.armed.Store(true)
	}
	return res, err
}

func (e *env) interfered(do func() error) *env {
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &interfered{next: next, do: func() { check(e.T, do()) }}
	})
	return &out
}

// What somebody does to what is healthy already, before the deploy ends, is not called
// deployed.
func TestLastLook(t *testing.T) {
	patch := func(e *env, r schema.GroupVersionResource, name, patch string) func() error {
		return func() error {
			_, err := e.dyn.Resource(r).Namespace(e.ns).Patch(e.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
			return err
		}
	}
	remove := func(e *env, r schema.GroupVersionResource, name string) func() error {
		return func() error { return e.dyn.Resource(r).Namespace(e.ns).Delete(e.ctx, name, metav1.DeleteOptions{}) }
	}
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "0"))
	tests := []struct {
		name string
		do   func() error
		code apply.Code // "" is that it is deployed
		says string
	}{
		{"scaled", patch(e, deployments, "web", `{"spec": {"replicas": 1}}`), apply.CodeConflict, ".spec.replicas was applied as 0 and is 1: somebody changed it"},
		{"the Service deleted", remove(e, services, "web"), apply.CodeGone, "Service web was deleted"},
		{"the Service changed", patch(e, services, "web", `{"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 81}]}}`), apply.CodeConflict, "Service web"},
		{"the Deployment deleted", remove(e, deployments, "web"), apply.CodeGone, "Deployment web was deleted"},
		{"its label", patch(e, deployments, "web", `{"metadata": {"labels": {"app.kubernetes.io/part-of": "mine"}}}`), apply.CodeConflict, ".metadata.labels.app.kubernetes.io/part-of"},
		{"a label more", patch(e, deployments, "web", `{"metadata": {"labels": {"mine": "1"}}, "spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}`), "", ""},
	}
	for i, tt := range tests {
		res, err := e.interfered(tt.do).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", fmt.Sprint(i+1))}, Force: true}, nil)
		ds := res.Diagnoses()
		switch {
		case tt.code == "":
			if err != nil || res.Outcome != apply.Deployed {
				t.Errorf("%s: outcome %s, error %v", tt.name, res.Outcome, err)
			}
		case res.Outcome != apply.RolledBack || len(ds) != 1 || ds[0].Code != tt.code || !strings.Contains(ds[0].Message, tt.says):
			t.Errorf("%s: outcome %s, error %v", tt.name, res.Outcome, err)
		default:
			e.ended(res)
		}
		// What only somebody else changed is left to them on the way back.
		e.mustDeployForced(e.podless("web", fmt.Sprintf("%d-again", i)))
	}
}

// mustDeployForced takes what somebody else manages.
func (e *env) mustDeployForced(u apply.Unit) {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}, Force: true}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		e.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
}

// An index that is deleted, damaged, or put back as it was earlier during a deploy, a
// rollback, the way back or a removal, is written anew from what the process knows.
func TestIndexTakenMeanwhile(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("db", "1"), e.podless("web", "1"))
	const index = "shipit-shop"
	r := e.dyn.Resource(secrets).Namespace(e.ns)
	older, err := r.Get(e.ctx, index, metav1.GetOptions{})
	check(t, err)
	tampers := []struct {
		name string
		do   func() error
	}{
		{"deleted", func() error { return r.Delete(e.ctx, index, metav1.DeleteOptions{}) }},
		{"damaged", func() error {
			_, err := r.Patch(e.ctx, index, types.MergePatchType, []byte(`{"data": {"state": "AAAA"}}`), metav1.PatchOptions{})
			return err
		}},
		{"emptied", func() error {
			_, err := r.Patch(e.ctx, index, types.MergePatchType, []byte(`{"data": null, "metadata": {"labels": null}}`), metav1.PatchOptions{})
			return err
		}},
		{"put back", func() error {
			o := older.DeepCopy()
			o.SetResourceVersion("")
			o.SetUID("")
			_, err := r.Update(e.ctx, o, metav1.UpdateOptions{})
			return err
		}},
	}
	release := 1
	for _, tamper := range tampers {
		warned := ""
		hear := func(ev apply.Event) {
			e.log(ev)
			if ev.Kind == apply.EventWarning {
				warned += ev.Message
			}
		}
		ends := func(what string, want apply.Outcome, res *apply.Result, err error) {
			t.Helper()
			if res.Outcome != want || !strings.Contains(warned, "the index of the releases was") {
				t.Errorf("%s during %s: outcome %s, error %v, warned of %q", tamper.name, what, res.Outcome, err, warned)
			}
			warned = ""
			e.ended(res)
		}
		release++
		res, err := e.interfered(tamper.do).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", fmt.Sprint(release))}, Only: []string{"web"}}, hear)
		ends("a deploy", apply.Deployed, res, err)
		e.isAt("web", release)
		e.isAt("db", 1)

		bad := with(e.podless("web", "bad"), e.made("web", "v1", "Service", "bad", map[string]any{"spec": map[string]any{
			"type": "ExternalName", "externalName": "example.com",
		}}))
		// Somebody deletes the Service, too, so that the deploy returns.
		both := func() error {
			return errors.Join(tamper.do(), e.dyn.Resource(services).Namespace(e.ns).Delete(e.ctx, "bad", metav1.DeleteOptions{}))
		}
		res, err = e.interfered(both).deploy(e.ctx, apply.Request{Units: []apply.Unit{bad}, Only: []string{"web"}}, hear)
		ends("the way back", apply.RolledBack, res, err)
		e.isAt("web", release)
		release++ // its number is used up

		res, err = e.interfered(tamper.do).client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}, To: 1}, hear)
		ends("a rollback", apply.Deployed, res, err)
		e.isAt("web", 1)
	}
}

// The records of a deploy and of the release before, when somebody deletes them meanwhile,
// keep it neither from arriving nor from returning; its own is written anew.
func TestRecordsTakenMeanwhile(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	r := e.dyn.Resource(secrets).Namespace(e.ns)
	records := func() error {
		list, err := r.List(e.ctx, metav1.ListOptions{LabelSelector: "shipit.dev/state=intent"})
		check(t, err)
		for _, o := range list.Items {
			err = errors.Join(err, r.Delete(e.ctx, o.GetName(), metav1.DeleteOptions{}))
		}
		return err
	}
	bad := func() error {
		return errors.Join(records(), e.dyn.Resource(services).Namespace(e.ns).Delete(e.ctx, "web", metav1.DeleteOptions{}))
	}
	res, err := e.interfered(bad).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "bad")}}, nil)
	if res.Outcome != apply.RolledBack {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	e.ended(res)

	res, err = e.interfered(records).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "3")}}, nil)
	if err != nil || res.Outcome != apply.Deployed || res.Units[0].Release != 3 {
		t.Errorf("outcome %s, %+v, error %v", res.Outcome, res.Units, err)
	}
	e.mustDeploy(e.podless("web", "4"))
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("rollback: %s, %v", res.Outcome, err)
	}
	if drift, err := e.client().Drift(e.ctx, "web", 3); err != nil || len(drift) > 0 {
		t.Errorf("drift %q, error %v", drift, err)
	}
}

// A namespace that somebody deletes during a deploy ends it at once, and it is said why.
func TestNamespaceDeletedWhileWaiting(t *testing.T) {
	e := newEnv(t)
	var at, failed time.Duration
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			at = ev.Elapsed
			check(t, e.dyn.Resource(namespaces).Delete(context.Background(), e.ns, metav1.DeleteOptions{}))
		case apply.EventFailed:
			failed = ev.Elapsed
		}
	})
	var terminating *apply.TerminatingError
	if !errors.As(err, &terminating) || res.Outcome != apply.Failed {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	if took := failed - at; took > 15*time.Second || res.Took > 30*time.Second {
		t.Errorf("it was said after %s, and ended after %s", took, res.Took)
	}
}

// What a webhook that does not answer keeps from being written is said within seconds, and
// nothing was changed.
func TestStateIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ group, resource, operation, kind string }{
		{"coordination.k8s.io", "leases", "CREATE", "Lease"},
		{"coordination.k8s.io", "leases", "UPDATE", "Lease"},
		{"", "secrets", "UPDATE", "Secret"},
		{"", "secrets", "CREATE", "Secret"},
	} {
		t.Run(tt.operation+" "+tt.resource, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.podless("web", "1"))
			webhooks := e.dyn.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"})
			o := e.object(apply.AppUnit, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: `+e.ns+`}
webhooks:
- name: silent.example.com
  clientConfig: {service: {namespace: default, name: nowhere}}
  rules: [{apiGroups: ["`+tt.group+`"], apiVersions: ["*"], operations: [`+tt.operation+`], resources: [`+tt.resource+`]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+e.ns+`}}
  admissionReviewVersions: [v1]
  sideEffects: None
`)
			o.SetNamespace("")
			_, err := webhooks.Create(e.ctx, o, metav1.CreateOptions{})
			check(t, err)
			stop := sync.OnceFunc(func() { check(t, webhooks.Delete(context.Background(), e.ns, metav1.DeleteOptions{})) })
			defer stop()
			e.polls(func() (string, bool) { return "it is not asked yet", e.isAsked(tt.resource, tt.operation) })
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.version("web", "2")}}, nil)
			var refused *apply.StateError
			if !errors.As(err, &refused) || refused.Object.Kind != tt.kind || res.Outcome != apply.Refused || res.Took > 25*time.Second {
				t.Errorf("outcome %s after %s, error %v", res.Outcome, res.Took, err)
			}
			stop()
			e.isAt("web", 1)
			e.polls(func() (string, bool) { return "it is asked yet", !e.isAsked(tt.resource, tt.operation) })
			e.mustDeploy(e.podless("web", "3"))
		})
	}
}

// isAsked reports whether a write of that kind fails in the namespace, by dry runs.
func (e *env) isAsked(resource, operation string) bool {
	e.Helper()
	r, text := leases, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: probe}"
	if resource == "secrets" {
		r, text = secrets, "apiVersion: v1\nkind: Secret\nmetadata: {name: probe}"
	}
	o := e.object(apply.AppUnit, text)
	o.SetLabels(nil)
	in := e.dyn.Resource(r).Namespace(e.ns)
	if operation == "CREATE" {
		_, err := in.Create(e.ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	}
	if _, err := in.Get(e.ctx, "probe", metav1.GetOptions{}); err != nil {
		_, err := in.Create(e.ctx, o, metav1.CreateOptions{})
		check(e.T, err)
	}
	_, err := in.Patch(e.ctx, "probe", types.MergePatchType, []byte(`{"metadata": {"annotations": {"a": "b"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	return err != nil
}
