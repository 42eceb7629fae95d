package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/apply"
)

// A service may become another kind of workload under its name, and return.
func TestWorkloadBecomesAnotherKind(t *testing.T) {
	e := newEnv(t)
	sets := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	e.mustDeploy(e.unit(service{}))
	e.mustDeploy(e.statefulSet("web", 1, "", ""))
	e.isGone(deployments, "web")
	e.isThere(sets, "web")
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	e.isThere(deployments, "web")
	e.isGone(sets, "web")
}

// What cannot be changed in place is refused before anything is written, with the
// field and the way around.
func TestImmutableFields(t *testing.T) {
	e := newEnv(t)
	set := func(o *unstructured.Unstructured, value any, fields ...string) {
		t.Helper()
		check(t, unstructured.SetNestedField(o.Object, value, fields...))
	}
	db := func() apply.Unit { return e.statefulSet("db", 0, "", "") }
	job := func() apply.Unit {
		u := e.job("once", "", "")
		e.empty(u.Objects[1])
		return u
	}
	web := func() apply.Unit {
		u := e.podless("web", "1")
		u.Objects = append(u.Objects, e.object("web", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: web-data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}"))
		return u
	}
	e.mustDeploy(db(), job(), web())
	of := func(u apply.Unit, kind string) *unstructured.Unstructured {
		for _, o := range u.Objects {
			if o.GetKind() == kind {
				return o
			}
		}
		t.Fatalf("no %s", kind)
		return nil
	}
	for name, tt := range map[string]struct {
		change      func(db, job, web apply.Unit)
		field, hint string
	}{
		"claims of a StatefulSet": {func(db, _, _ apply.Unit) {
			claims, _, _ := unstructured.NestedSlice(of(db, "StatefulSet").Object, "spec", "volumeClaimTemplates")
			set(&unstructured.Unstructured{Object: claims[0].(map[string]any)}, "2Gi", "spec", "resources", "requests", "storage")
			set(of(db, "StatefulSet"), claims, "spec", "volumeClaimTemplates")
		}, "spec.volumeClaimTemplates", "delete statefulset db --cascade=orphan"},
		"template of a Job": {func(_, job, _ apply.Unit) {
			set(of(job, "Job"), "OnFailure", "spec", "template", "spec", "restartPolicy")
		}, "spec.template", "give it another name"},
		"address of a Service that has one already": {func(_, _, web apply.Unit) {
			set(of(web, "Service"), "10.96.111.222", "spec", "clusterIP")
		}, "spec.clusterIP", "give it another name"},
		"access of a claim": {func(_, _, web apply.Unit) {
			set(of(web, "PersistentVolumeClaim"), []any{"ReadWriteMany"}, "spec", "accessModes")
		}, "spec", "give the volume another name"},
		"selector": {func(_, _, web apply.Unit) {
			set(of(web, "Deployment"), "x", "spec", "selector", "matchLabels", "x")
			set(of(web, "Deployment"), "x", "spec", "template", "metadata", "labels", "x")
		}, "spec.selector", "delete deployment web"},
	} {
		d, j, w := db(), job(), web()
		tt.change(d, j, w)
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{d, j, w}}, nil)
		var invalid *apply.InvalidError
		if !errors.As(err, &invalid) || res.Outcome != apply.Refused {
			t.Errorf("%s: %s, %v", name, res.Outcome, err)
			continue
		}
		if !invalid.Immutable || !strings.HasPrefix(invalid.Field, tt.field) || !strings.Contains(invalid.Hint(), tt.hint) || len(err.Error()) > 100 {
			t.Errorf("%s: %q of %s, %s", name, invalid.Field, err, invalid.Hint())
		}
	}
}

// A first deploy that is refused leaves nothing, not even the namespace that it
// was looked at in.
func TestRefusedLeavesNoNamespace(t *testing.T) {
	e := newEnv(t)
	u := e.deployment("web", "1", "env: [{name: A, valueFrom: {secretKeyRef: {name: nowhere, key: k}}}]", "")
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
	var refused *apply.PreflightError
	if !errors.As(err, &refused) || res.Outcome != apply.Refused {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace is there: %v", err)
	}
}

// The pods of a CronJob are asked about before anything is written, too.
func TestCronJobIsLookedAt(t *testing.T) {
	e := newEnv(t)
	e.namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	u := apply.Unit{Name: "backup", Objects: []*unstructured.Unstructured{
		e.account("backup"),
		e.made("backup", "batch/v1", "CronJob", "backup", map[string]any{"spec": map[string]any{
			"schedule": "0 3 * * *",
			"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"restartPolicy": "Never", "hostNetwork": true,
				"containers": []any{map[string]any{"name": "backup", "image": e.image}},
			}}}},
		}}),
	}}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
	var refused *apply.PreflightError
	if !errors.As(err, &refused) || refused.Diagnoses[0].Code != apply.CodeAdmissionDenied || refused.Diagnoses[0].Unit != "backup" {
		t.Errorf("error %v", err)
	}
}

// A Service of every type becomes one of every other, and is then what it would be if it
// were new; or it is refused, as what has ports on the nodes does not go.
func TestServiceBecomesAnotherType(t *testing.T) {
	e := newEnv(t)
	e.namespace(nil) // which stays
	forms := map[string]map[string]any{
		"ClusterIP":    {"type": "ClusterIP"},
		"headless":     {"type": "ClusterIP", "clusterIP": "None"},
		"NodePort":     {"type": "NodePort", "externalTrafficPolicy": "Local"},
		"LoadBalancer": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "loadBalancerClass": "example.com/none"},
		"ExternalName": {"type": "ExternalName", "externalName": "example.com"},
		"sticky":       {"type": "ClusterIP", "sessionAffinity": "ClientIP", "sessionAffinityConfig": map[string]any{"clientIP": map[string]any{"timeoutSeconds": int64(60)}}},
	}
	unit := func(form string) apply.Unit {
		u := e.podless("web", "1")
		for _, o := range u.Objects {
			if o.GetKind() != "Service" {
				continue
			}
			spec := map[string]any{"ports": o.Object["spec"].(map[string]any)["ports"], "selector": o.Object["spec"].(map[string]any)["selector"]}
			for k, v := range forms[form] {
				spec[k] = v
			}
			if form == "ExternalName" {
				delete(spec, "ports")
				delete(spec, "selector")
			}
			o.Object["spec"] = spec
		}
		return u
	}
	// What it is, but for the addresses and numbers that are given out.
	shape := func() string {
		spec := e.get(services, "web").Object["spec"].(map[string]any)
		for _, field := range []string{"clusterIP", "clusterIPs"} {
			if v, ok := spec[field]; ok && !strings.Contains(fmt.Sprint(v), "None") {
				spec[field] = "some"
			}
		}
		ports, _ := spec["ports"].([]any)
		for _, p := range ports {
			delete(p.(map[string]any), "nodePort") // one that is there stays
		}
		return fmt.Sprint(spec)
	}
	fresh := map[string]string{}
	for form := range forms {
		e.mustDeploy(unit(form))
		fresh[form] = shape()
		_, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, nil)
		check(t, err)
	}
	onNodes := map[string]bool{"NodePort": true, "LoadBalancer": true}
	refused := func(from, to string, res *apply.Result, err error) bool {
		var invalid *apply.InvalidError
		return onNodes[from] && to == "headless" && res.Outcome == apply.Refused && errors.As(err, &invalid) && invalid.Immutable
	}
	for from := range forms {
		for to := range forms {
			if from == to {
				continue
			}
			if from == "headless" { // to which some do not go
				_, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, nil)
				check(t, err)
			}
			if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{unit(from)}}, nil); err != nil || !res.Outcome.Done() {
				t.Errorf("to begin with %s: %s, %v", from, res.Outcome, err)
				continue
			}
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{unit(to)}}, nil)
			if refused(from, to, res, err) {
				continue
			}
			if err != nil || res.Outcome != apply.Deployed {
				t.Errorf("%s to %s: %s, %v", from, to, res.Outcome, err)
				continue
			}
			if got := shape(); got != fresh[to] {
				t.Errorf("%s to %s is\n%s, new it is\n%s", from, to, got, fresh[to])
			}
			back, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, nil)
			if refused(to, from, back, err) {
				continue
			}
			if err != nil || back.Outcome != apply.Deployed {
				t.Errorf("%s to %s and back: %s, %v", from, to, back.Outcome, err)
			} else if got := shape(); got != fresh[from] {
				t.Errorf("%s to %s and back is\n%s, new it is\n%s", from, to, got, fresh[from])
			}
		}
	}
}

// A Service that a failed deploy made anew in another form goes back, too.
func TestReplacedServiceReturns(t *testing.T) {
	e := newEnv(t)
	headless := e.podless("web", "1")
	for _, o := range headless.Objects {
		if o.GetKind() == "Service" {
			check(t, unstructured.SetNestedField(o.Object, "None", "spec", "clusterIP"))
		}
	}
	e.mustDeploy(headless)
	bad := e.broken("web")
	for _, o := range bad.Objects {
		if o.GetKind() == "Service" {
			check(t, unstructured.SetNestedField(o.Object, "NodePort", "spec", "type"))
		}
	}
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{bad}}, nil)
	if res.Outcome != apply.RolledBack {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	if address, _, _ := unstructured.NestedString(e.get(services, "web").Object, "spec", "clusterIP"); address != "None" {
		t.Errorf("the Service has the address %q", address)
	}
}
