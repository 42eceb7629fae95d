package apply_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// calling is a unit without pods that calls something.
func (e *env) calling(name string, calls ...apply.Call) apply.Unit {
	u := e.podless(name, "1")
	u.Calls = calls
	return u
}

// next is another app, which no other test has, in a namespace of its own.
func (e *env) next(app string) *env {
	e.Helper()
	out := *e
	out.ns += "-" + app
	out.owner = apply.Owner{App: app + strings.TrimPrefix(e.ns, "apply"), Namespace: out.ns, Source: "example.com/" + app}
	e.Cleanup(func() {
		err := e.dyn.Resource(namespaces).Delete(context.Background(), out.ns, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			e.Error(err)
		}
	})
	return &out
}

// refusedCalls deploys what calls, and wants it refused before anything is
// written, even a namespace.
func (e *env) refusedCalls(units ...apply.Unit) []*apply.CallError {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: units}, nil)
	var refused *apply.CallsError
	if !errors.As(err, &refused) || res.Outcome != apply.Refused {
		e.Fatalf("%s, error %v, want a CallsError", res.Outcome, err)
	}
	if left := e.left(); len(left) > 0 {
		e.Errorf("left %q", left)
	}
	return refused.Calls
}

// What another app's service is called for must be there: the app, the service
// and its port. Each is told with what there is instead.
func TestCallsOfAnotherApp(t *testing.T) {
	e := newEnv(t)
	billing := e.next("billing")
	app := billing.owner.App
	call := func(app, namespace, service string, port int32) apply.Call {
		return apply.Call{Name: "pay", App: app, Namespace: namespace, Service: service, Port: port}
	}
	fails := func(c apply.Call, field, why, fix string) {
		t.Helper()
		found := e.refusedCalls(e.calling("web", c))
		if f := found[0]; len(found) != 1 || f.Unit != "web" || f.Field != field || !strings.Contains(f.Error(), why) || !strings.Contains(f.Hint(), fix) {
			t.Errorf("field %q: %s (%s)", f.Field, f, f.Hint())
		}
	}
	fails(call(app, billing.ns, "api", 80), "app", "not deployed in namespace "+billing.ns, "--missing-calls")

	quiet := billing.podless("quiet", "1")
	quiet.Objects = slices.DeleteFunc(quiet.Objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Service" })
	billing.mustDeploy(billing.unit(service{name: "api"}), quiet)
	fails(call(app, e.ns, "api", 80), "namespace", "not deployed in namespace "+e.ns, billing.ns)
	fails(call("x"+app, billing.ns, "api", 80), "app", "not deployed", "did you mean \""+app)
	fails(call(app, billing.ns, "appi", 80), "service", "no such service", `did you mean "api"? its services are api, quiet`)
	fails(call(app, billing.ns, "quiet", 80), "service", "no Service quiet", "give it ports")
	fails(call(app, billing.ns, "api", 8080), "port", "no port 8080", "its port is http 80")

	// All at once.
	two := e.calling("api", call(app, billing.ns, "appi", 80))
	if found := e.refusedCalls(e.calling("web", call(app, billing.ns, "api", 1)), two); len(found) != 2 {
		t.Errorf("found %v", found)
	}

	var warned []string
	sink := func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned = append(warned, ev.Message)
		}
	}
	deploys := func(calls ...apply.Call) {
		t.Helper()
		warned = nil
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.calling("web", calls...)}, MissingCalls: true}, sink)
		if err != nil || !res.Outcome.Done() {
			t.Fatalf("%s, %v", res.Outcome, err)
		}
	}
	deploys(call(app, billing.ns, "api", 80))
	if len(warned) > 0 {
		t.Errorf("warned of %q", warned)
	}
	// An unchanged deploy looks at no other app.
	again, sent := e.counted()
	if res, err := again.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.calling("web", call(app, billing.ns, "gone", 80))}}, nil); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	sent.mu.Lock()
	for _, s := range sent.sent {
		if strings.Contains(s, billing.ns) {
			t.Errorf("an unchanged deploy asks %s", s)
		}
	}
	sent.mu.Unlock()
	// One that is asked for although it is not there is warned of.
	e.mustDeploy(e.podless("web", "2"))
	deploys(call(app, billing.ns, "gone", 80))
	if len(warned) != 1 || !strings.Contains(warned[0], "no such service") {
		t.Errorf("warned of %q", warned)
	}
}

// A callee that is there and not well, that lets the caller not in, or that may
// not be looked at, is warned of.
func TestCallsWarn(t *testing.T) {
	e := newEnv(t)
	e.namespace(nil)
	billing := e.next("billing")
	api := billing.unit(service{name: "api"})
	api.Objects = append(api.Objects, billing.object("api", `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api}
spec: {podSelector: {matchLabels: {app.kubernetes.io/name: api}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}], ports: [{port: http}]}]}`))
	billing.mustDeploy(api)
	warns := func(as *env, version string, want ...string) {
		t.Helper()
		u := as.podless("web", version)
		u.Calls = []apply.Call{{Name: "pay", App: billing.owner.App, Namespace: billing.ns, Service: "api", Port: 80}}
		var said []string
		res, err := as.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, func(ev apply.Event) {
			var call *apply.CallError
			if ev.Kind == apply.EventWarning && errors.As(ev.Err, &call) {
				said = append(said, ev.Message)
			}
		})
		if err != nil || res.Outcome != apply.Deployed {
			t.Fatalf("%s, %v", res.Outcome, err)
		}
		if len(said) != len(want) {
			t.Errorf("said %q", said)
			return
		}
		for i, w := range want {
			if !strings.Contains(said[i], w) {
				t.Errorf("said %q, want %q", said[i], w)
			}
		}
	}
	warns(e, "1", "its network policies do not let app shop in namespace "+e.ns+" connect")

	// The callee lets it in, and is then broken.
	policy := api.Objects[len(api.Objects)-1]
	must := unstructured.SetNestedSlice(policy.Object, []any{map[string]any{
		"from":  []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": e.ns}}, "podSelector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/part-of": "shop"}}}},
		"ports": []any{map[string]any{"port": "http"}},
	}}, "spec", "ingress")
	check(t, must)
	billing.mustDeploy(api)
	warns(e, "2")
	broken := billing.unit(service{name: "api", env: map[string]string{"EXIT": "1"}})
	broken.Objects = append(broken.Objects, policy)
	_, _ = billing.deploy(e.ctx, apply.Request{Units: []apply.Unit{broken}, NoRollback: true}, nil)
	warns(e, "3", "it is not at a healthy release (failed)")

	limited := e.as("limited",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps", "services", "serviceaccounts"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "events"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
	)
	warns(limited, "4", "not checked whether it is deployed in namespace "+billing.ns+": limited is not allowed to get secrets")
}

// A service of the same app that another project deploys is called like one of
// another app: it must be in the app's own index.
func TestCallsOfAnotherProject(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/payments"
	web := e.calling("web", apply.Call{Name: "pay", App: "shop", Namespace: e.ns, Service: "pay", Port: 80})
	if found := e.refusedCalls(web); found[0].Field != "service" {
		t.Errorf("found %+v", found[0])
	}
	other.mustDeploy(other.unit(service{name: "pay"}))
	e.mustDeploy(web)
	web.Calls[0].Port = 81
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.calling("api", web.Calls...), web}}, nil)
	var refused *apply.CallsError
	if !errors.As(err, &refused) || refused.Calls[0].Field != "port" || refused.Calls[0].Unit != "api" {
		t.Errorf("error %v", err)
	}
}

// What one project deploys no other takes, removes or returns, unless it says so.
func TestSourcesKeepApart(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/payments"
	quota := func(e *env, pods string) apply.Unit {
		return apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{
			e.object(apply.AppUnit, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: shop}\nspec: {hard: {pods: "+pods+"}}"),
		}}
	}
	e.mustDeploy(quota(e, "10"), e.podless("web", "1"))
	other.mustDeploy(other.podless("pay", "1"))
	e.mustDeploy(quota(e, "10"), e.podless("web", "2"))
	other.mustDeploy(other.podless("pay", "2"))

	for _, units := range [][]apply.Unit{{quota(&other, "20"), other.podless("pay", "2")}, {other.podless("web", "9"), other.podless("pay", "2")}} {
		before := e.versions()
		res, err := other.deploy(e.ctx, apply.Request{Units: units}, nil)
		var taken *apply.SourceError
		if !errors.As(err, &taken) || res.Outcome != apply.Refused || taken.Source != "example.com/shop" || !slices.Equal(taken.Units, []string{units[0].Name}) || !strings.Contains(taken.Hint(), "--take-over") {
			t.Errorf("%s, %v", res.Outcome, err)
		}
		after := e.versions()
		for name, was := range before {
			if after[name] != was {
				t.Errorf("%s changed", name)
			}
		}
	}
	res, err := other.deploy(e.ctx, apply.Request{Units: []apply.Unit{other.podless("web", "3"), other.podless("pay", "2")}, TakeOver: true}, nil)
	if err != nil || res.Outcome != apply.Deployed || e.status("web").Source != "example.com/payments" {
		t.Errorf("taken over: %s, %v", res.Outcome, err)
	}
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{quota(e, "10"), e.podless("web", "2")}, TakeOver: true}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("taken back: %s, %v", res.Outcome, err)
	}

	// Without names, a rollback and a deletion are of one's own.
	back, err := other.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || len(back.Units) != 1 || back.Units[0].Name != "pay" {
		t.Errorf("rollback: %+v, %v", back.Units, err)
	}
	gone, err := other.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || gone.Outcome != apply.Removed || len(gone.Units) != 1 || gone.Units[0].Name != "pay" {
		t.Errorf("delete: %+v, %v", gone.Units, err)
	}
	e.status("web")
	if _, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil {
		t.Error(err)
	}
	if left := e.left(); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}
