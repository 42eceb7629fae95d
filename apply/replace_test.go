package apply_test

import (
	"errors"
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
