package apply_test

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// stateful turns a unit's Deployment into a StatefulSet with ordered pods.
func (e *env) stateful(s service) apply.Unit {
	u := e.unit(s)
	for _, o := range u.Objects {
		if o.GetKind() == "Deployment" {
			o.SetKind("StatefulSet")
			unstructured.RemoveNestedField(o.Object, "spec", "strategy")
			check(e.T, unstructured.SetNestedField(o.Object, o.GetName(), "spec", "serviceName"))
		}
	}
	return u
}

// A StatefulSet whose ordered pod is broken comes back without help.
func TestStatefulSetComesBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.stateful(service{replicas: 2, env: map[string]string{"VERSION": "1"}}))
	first := e.pods("web")["web-0"]
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.stateful(service{replicas: 2, env: map[string]string{"EXIT": "1"}})}}, nil)
	if res.Outcome != apply.RolledBack || err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	e.ended(res)
	if ds := res.Diagnoses(); len(ds) != 1 || ds[0].Code != apply.CodeCrashLoop || ds[0].Pod != "web-1" || ds[0].Object.String() != "StatefulSet web" || !strings.Contains(ds[0].Message, "exited with code 1") {
		t.Errorf("diagnoses %+v", ds)
	}
	if s := e.status("web"); !s.Ready || s.Pods.Ready != 2 {
		t.Errorf("status %+v", s)
	}
	if now := e.pods("web")["web-0"]; now != first {
		t.Errorf("web-0 was %+v, is %+v", first, now)
	}
}

// crashLast makes the last of two pods crash in a way that shipit does not own.
func (e *env) crashLast() {
	e.Helper()
	e.edit(`{"spec":{"template":{"spec":{"containers":[{"name":"db","env":[{"name":"EXIT","value":"3"}]}]}}}}`)
	e.eventually(pods, func() (string, bool) {
		db := e.pods("db")["db-1"]
		return "db-1 does not crash", db.Restarts > 0
	})
}

func (e *env) edit(patch string) {
	e.Helper()
	_, err := e.dyn.Resource(statefulSets).Namespace(e.ns).Patch(e.ctx, "db", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	check(e.T, err)
}

// A pod that was broken before keeps the controller from rolling out the next
// release, though nothing of it is in the template any more. The deploy says so,
// and leaves the service whole, with its data.
func TestStuckStatefulSetComesBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.statefulSet("db", 2, "", ""))
	e.crashLast()
	e.edit(`{"spec":{"template":{"spec":{"containers":[{"name":"db","env":[{"name":"EXIT","$patch":"delete"}]}]}}}}`)
	before := e.things(claims)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.statefulSet("db", 2, "", "env: [{name: VERSION, value: \"2\"}]\n")}}, nil)
	if res.Outcome != apply.RolledBack || err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("db", 1)
	ds := res.Diagnoses()
	if len(ds) != 1 || ds[0].Code != apply.CodeCrashLoop || ds[0].Pod != "db-1" || !strings.Contains(ds[0].Message, "of an earlier release and not ready") || !strings.Contains(ds[0].Message, "exited with code 3") {
		t.Errorf("diagnoses %+v", ds)
	}
	if s := e.status("db"); !s.Ready || s.Pods != (apply.Pods{Wanted: 2, Updated: 2, Ready: 2}) || s.Diagnosis != nil {
		t.Errorf("status %+v", s)
	}
	if now := e.things(claims); len(now) != 2 || !maps.Equal(now, before) {
		t.Errorf("claims were %v, are %v", before, now)
	}
}

// A pod that somebody else broke is not deleted: the next release says that it is
// in its way.
func TestDiagnoseStuckStatefulSet(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.statefulSet("db", 2, "", ""))
	e.crashLast()
	b := blame{
		code: apply.CodeCrashLoop, unit: "db", object: "StatefulSet db", pod: true, exit: 3,
		message: []string{"of an earlier release", "exited with code 3"}, hint: "delete pod db-1",
	}
	b.wants(e, e, nil, e.statefulSet("db", 2, "", "env: [{name: VERSION, value: \"3\"}]\n"))
}
