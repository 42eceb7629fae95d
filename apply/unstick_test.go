package apply_test

import (
	"testing"
	"time"

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
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.stateful(service{replicas: 2, env: map[string]string{"EXIT": "1"}})}}, nil)
	if res.Outcome != apply.RolledBack || err == nil {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	e.ended(res)
	if s := e.status("web"); !s.Ready || s.Pods.Ready != 2 {
		t.Errorf("status %+v", s)
	}
}

// A pod that somebody else broke is not deleted: the next release says that it is
// in its way.
func TestDiagnoseStuckStatefulSet(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.statefulSet("db", 2, "", ""))
	_, err := e.dyn.Resource(statefulSets).Namespace(e.ns).Patch(e.ctx, "db", types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"db","env":[{"name":"EXIT","value":"3"}]}]}}}}`), metav1.PatchOptions{FieldManager: "somebody"})
	check(t, err)
	e.eventually(pods, func() (string, bool) {
		db := e.pods("db")["db-1"]
		return "db-1 does not crash", db.Restarts > 0
	})
	b := blame{
		code: apply.CodeCrashLoop, unit: "db", object: "StatefulSet db", pod: true, exit: 3,
		message: []string{"of an earlier release", "exited with code 3"}, hint: "delete pod db-1", within: 15 * time.Second,
	}
	b.wants(e, e, nil, e.statefulSet("db", 2, "", "env: [{name: VERSION, value: \"3\"}]\n"))
}
