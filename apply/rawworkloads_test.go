package apply_test

import (
	"errors"
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/apply"
)

// raw is an object of no service, with what the renderer adds to it: the app's
// labels, and the two by which its pods are found.
func (e *env) raw(apiVersion, kind, name string, spec map[string]any, template ...string) *unstructured.Unstructured {
	e.Helper()
	o := e.made("", apiVersion, kind, name, map[string]any{"spec": spec})
	labels := o.GetLabels()
	delete(labels, "app.kubernetes.io/name")
	o.SetLabels(labels)
	if len(template) > 0 {
		labels["app"] = name // which is not one of ours
		check(e.T, unstructured.SetNestedStringMap(o.Object, labels, append(template, "metadata", "labels")...))
	}
	return o
}

func (e *env) rawPod(container map[string]any, restart string) map[string]any {
	c := map[string]any{"name": "main", "image": e.image}
	for k, v := range container {
		c[k] = v
	}
	pod := map[string]any{"terminationGracePeriodSeconds": int64(1), "containers": []any{c}}
	if restart != "" {
		pod["restartPolicy"] = restart
	}
	return map[string]any{"spec": pod}
}

// Workloads that belong to no service are applied, waited for and diagnosed as
// those of services are, and their pods go with them.
func TestRawWorkloads(t *testing.T) {
	e := newEnv(t)
	selector := func(name string) map[string]any { return map[string]any{"matchLabels": map[string]any{"app": name}} }
	ready := map[string]any{"readinessProbe": map[string]any{"httpGet": map[string]any{"path": "/readyz", "port": int64(8080)}, "periodSeconds": int64(1)}}
	unit := func(container map[string]any) apply.Unit {
		return apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{
			e.raw("apps/v1", "Deployment", "cache", map[string]any{"selector": selector("cache"), "template": e.rawPod(container, "")}, "spec", "template"),
			e.raw("apps/v1", "StatefulSet", "queue", map[string]any{"serviceName": "queue", "selector": selector("queue"), "template": e.rawPod(ready, "")}, "spec", "template"),
			e.raw("apps/v1", "DaemonSet", "agent", map[string]any{"selector": selector("agent"), "template": e.rawPod(ready, "")}, "spec", "template"),
			e.raw("batch/v1", "Job", "once", map[string]any{"template": e.rawPod(map[string]any{"env": []any{map[string]any{"name": "EXIT", "value": "0"}}}, "Never")}, "spec", "template"),
			e.raw("batch/v1", "CronJob", "nightly", map[string]any{"schedule": "0 3 * * *", "jobTemplate": map[string]any{"spec": map[string]any{"template": e.rawPod(nil, "Never")}}},
				"spec", "jobTemplate", "spec", "template"),
		}}
	}
	res := e.mustDeploy(unit(ready))
	if p := res.Units[0].Pods; p != (apply.Pods{Wanted: 4, Updated: 3, Ready: 4}) {
		t.Errorf("pods %+v", p)
	}
	if s := e.status(apply.AppUnit); !s.Ready || len(s.Running) != 4 {
		t.Errorf("status %+v", s)
	}
	crashing := map[string]any{"env": []any{map[string]any{"name": "EXIT", "value": "1"}}}
	maps.Copy(crashing, ready) // without a probe, a slow node tells of the end too late
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{unit(crashing)}}, nil)
	var failed *apply.RolloutError
	if !errors.As(err, &failed) || res.Outcome != apply.RolledBack || len(failed.Diagnoses) != 1 || failed.Diagnoses[0].Code != apply.CodeCrashLoop {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	if len(failed.Diagnoses[0].Logs) == 0 {
		t.Errorf("diagnosis without logs: %+v", failed.Diagnoses[0])
	}
	_, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	check(t, err)
	for _, r := range []schema.GroupVersionResource{deployments, pods} {
		if left := e.things(r); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
