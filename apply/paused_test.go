package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

var (
	cronJobs   = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	daemonSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
)

// byHand patches an object as kubectl does.
func (e *env) byHand(r schema.GroupVersionResource, name, patch string) {
	e.Helper()
	_, err := e.dyn.Resource(r).Namespace(e.ns).Patch(e.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-rollout"})
	check(e.T, err)
}

// A Deployment that somebody paused is found before anything is written, when its
// pods are to change, and within seconds while it is waited for.
func TestPausedDeployment(t *testing.T) {
	e := newEnv(t)
	web := func(version string, more ...*unstructured.Unstructured) apply.Request {
		return apply.Request{Units: []apply.Unit{with(e.unit(service{env: map[string]string{"VERSION": version}}), more...)}}
	}
	e.mustDeploy(web("1").Units...)
	e.byHand(deployments, "web", `{"spec":{"paused":true}}`)
	before := e.versions()
	res, err := e.deploy(e.ctx, web("2"), nil)
	var refused *apply.PreflightError
	if !errors.As(err, &refused) || res.Outcome != apply.Refused || refused.Diagnoses[0].Code != apply.CodePaused {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	if d := refused.Diagnoses[0]; !strings.Contains(d.Message, "by kubectl-rollout at 2") || !strings.Contains(d.Hint, "rollout resume deployment web") {
		t.Errorf("diagnosis %+v", d)
	}
	if after := e.versions(); len(after) != len(before) {
		t.Errorf("a refused deploy wrote:\nbefore %v\nafter  %v", before, after)
	}

	// What needs no new pods is deployed, and the pause is said.
	said, res, err := e.warned(web("1", e.configMap("web", "more")))
	if err != nil || res.Outcome != apply.Deployed || !strings.Contains(said, "was paused by kubectl-rollout") {
		t.Errorf("no new pods: %s, %v, %q", res.Outcome, err, said)
	}

	// Paused in the middle of a rollout.
	e.byHand(deployments, "web", `{"spec":{"paused":null}}`)
	start := time.Now()
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "3", "UNREADY": "1"}})}, NoRollback: true}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting {
			e.byHand(deployments, "web", `{"spec":{"paused":true}}`)
		}
	})
	if d := res.Diagnoses(); err == nil || len(d) != 1 || d[0].Code != apply.CodePaused || time.Since(start) > time.Minute {
		t.Errorf("in the middle: %s after %s, %v", res.Outcome, time.Since(start), err)
	}
}

// One that is paused in the middle of a rollout goes back all the same, and the pods that
// were healthy stay.
func TestPausedDeploymentGoesBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.version("web", "1"))
	before := e.pods("web")
	paused := false
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2", "UNREADY": "1"}})}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting && !paused {
			paused = true
			e.byHand(deployments, "web", `{"spec":{"paused":true}}`)
		}
	})
	if d := res.Diagnoses(); res.Outcome != apply.RolledBack || len(d) != 1 || d[0].Code != apply.CodePaused || res.Took > time.Minute {
		t.Errorf("%s after %s, %v", res.Outcome, res.Took, err)
	}
	e.samePods("web", before)
	e.settled()
}

// A StatefulSet or DaemonSet whose pods are replaced by hand is waited for until its
// pods are there; later ones are said to stay.
func TestOnDelete(t *testing.T) {
	e := newEnv(t)
	units := func(version string) []apply.Unit {
		env := "env: [{name: VERSION, value: \"" + version + "\"}]\n"
		agent := apply.Unit{Name: "agent", Objects: []*unstructured.Unstructured{
			e.account("agent"),
			e.object("agent", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec:\n  updateStrategy: {type: OnDelete}\n  template:\n    spec:\n"+e.pod("agent", servesHTTP+env, "")),
		}}
		return []apply.Unit{e.statefulSet("db", 1, "updateStrategy: {type: OnDelete}", env), agent}
	}
	res := e.mustDeploy(units("1")...)
	for _, u := range res.Units {
		if u.Pods != (apply.Pods{Wanted: 1, Updated: 1, Ready: 1}) {
			t.Errorf("first: %s has pods %+v", u.Name, u.Pods)
		}
	}
	said, res, err := e.warned(apply.Request{Units: units("2")})
	if err != nil || res.Outcome != apply.Deployed || !strings.Contains(said, "1 of 1 pods of StatefulSet db are of an earlier release") || !strings.Contains(said, "1 of 1 pods of DaemonSet agent are of an earlier release") {
		t.Errorf("second: %s, %v, %q", res.Outcome, err, said)
	}
	if s := e.status("db"); !s.Ready || !strings.Contains(s.Message, "OnDelete") {
		t.Errorf("status %+v", s)
	}
	for _, pod := range []string{"db", "agent"} {
		for name := range e.pods(pod) {
			check(t, e.dyn.Resource(pods).Namespace(e.ns).Delete(e.ctx, name, metav1.DeleteOptions{}))
		}
	}
	e.polls(func() (string, bool) {
		said, res, err := e.warned(apply.Request{Units: units("2")})
		return said, err == nil && res.Outcome == apply.Unchanged && said == ""
	})
}

// What somebody suspended, or scaled to nothing, is said though nobody waits for it;
// a Job that somebody suspended ends the wait within seconds.
func TestSuspendedByHand(t *testing.T) {
	e := newEnv(t)
	report := e.cronJob("report")
	web := with(e.podless("web", "1"), e.autoscaler("web"))
	once := e.job("once", "", "env: [{name: EXIT, value: \"\"}]")
	name := once.Objects[1].GetName()
	e.mustDeploy(report, web)
	e.byHand(cronJobs, "report", `{"spec":{"suspend":true}}`)
	said, res, err := e.warned(apply.Request{Units: []apply.Unit{report, web}})
	if err != nil || res.Outcome != apply.Unchanged || !strings.Contains(said, "CronJob report was suspended by kubectl-rollout") || !strings.Contains(said, "scale deployment web --replicas=") {
		t.Errorf("%s, %v, %q", res.Outcome, err, said)
	}
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{report, web, once}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting && ev.Unit == "once" {
			e.byHand(jobs, name, `{"spec":{"suspend":true}}`)
		}
	})
	if d := res.Diagnoses(); err == nil || res.Outcome == apply.Deployed || len(d) != 1 || d[0].Code != apply.CodePaused || !strings.Contains(d[0].Message, "was suspended by kubectl-rollout") {
		t.Errorf("%s, %v", res.Outcome, err)
	}
}
