package apply_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// passing is a Job that ends at once, and is removed at once when it has.
func (e *env) passing(job *unstructured.Unstructured, version string) *unstructured.Unstructured {
	e.Helper()
	e.empty(job)
	check(e.T, unstructured.SetNestedField(job.Object, int64(0), "spec", "ttlSecondsAfterFinished"))
	check(e.T, unstructured.SetNestedField(job.Object, version, "spec", "template", "metadata", "annotations", "example.com/version"))
	return job
}

// ran lists the Jobs that steps made.
func ran(steps []string) []string {
	var out []string
	for _, s := range steps {
		if name, ok := strings.CutPrefix(s, "create Job "); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// A Job that removes itself when it has run is remembered: it is neither missed nor
// run again, by a deploy, by a rollback or on the way back, until it changes. It may be
// gone before anybody has seen it complete.
func TestJobThatRemovesItself(t *testing.T) {
	e := newEnv(t)
	units := func(raw, seed, web string, more ...*unstructured.Unstructured) []apply.Unit {
		app := apply.Unit{Name: apply.AppUnit, Objects: append([]*unstructured.Unstructured{e.passing(e.job("raw", "", "").Objects[1], raw), e.account("raw")}, more...)}
		for _, o := range app.Objects {
			o.SetLabels(e.configMap(apply.AppUnit, "x").GetLabels())
		}
		s := e.job("seed", "", "")
		e.passing(s.Objects[1], seed).SetName("seed-" + seed)
		return []apply.Unit{app, s, with(e.podless("web", web, "seed"), e.passing(e.hook("web", "migrate", "before", "0", ""), "1"))}
	}
	const raw = "raw-0123456789"
	step := func(what string, units []apply.Unit, outcome apply.Outcome, want ...string) {
		t.Helper()
		steps, res, err := e.steps(apply.Request{Units: units})
		if err != nil || res.Outcome != outcome || !slices.Equal(ran(steps), want) {
			t.Errorf("%s: %s, %v, ran %q, want %q", what, res.Outcome, err, ran(steps), want)
		}
		for _, unit := range []string{apply.AppUnit, "seed", "web"} {
			if s := e.status(unit); !s.Ready || s.Diagnosis != nil {
				t.Errorf("%s: status %+v", what, s)
			}
		}
	}
	step("first", units("1", "1", "1"), apply.Deployed, "migrate", raw, "seed-1")
	step("again", units("1", "1", "1"), apply.Unchanged)
	step("another object of the unit", units("1", "1", "1", e.configMap(apply.AppUnit, "more")), apply.Deployed)
	step("the service that needs one", units("1", "1", "2", e.configMap(apply.AppUnit, "more")), apply.Deployed)
	step("changed", units("2", "2", "2"), apply.Deployed, raw, "seed-2")
	later := units("2", "2", "2")
	check(t, unstructured.SetNestedField(later[0].Objects[0].Object, int64(60), "spec", "ttlSecondsAfterFinished"))
	step("only its time changed", later, apply.Unchanged)

	steps := []string{}
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"seed"}}, func(ev apply.Event) {
		if e.log(ev); ev.Kind == apply.EventApplied {
			steps = append(steps, string(ev.Action)+" "+ev.Object.String())
		}
	})
	if err != nil || res.Outcome != apply.Deployed || len(ran(steps)) != 0 {
		t.Errorf("rollback: %s, %v, %q", res.Outcome, err, steps)
	}
	e.isAt("seed", 1)

	broken := units("2", "2", "2")
	broken[2] = with(e.broken("web"), e.passing(e.hook("web", "migrate", "before", "0", ""), "1"))
	steps, res, err = e.steps(apply.Request{Units: broken})
	if err == nil || res.Outcome != apply.RolledBack || slices.ContainsFunc(steps, func(s string) bool { return strings.HasPrefix(s, "restore Job") || s == "create Job "+raw }) {
		t.Errorf("way back: %s, %v, %q", res.Outcome, err, steps)
	}
	if s := e.status(apply.AppUnit); !s.Ready {
		t.Errorf("status after the way back: %+v", s)
	}
}

// A Job that failed has not run, though its TTL removed it; one without a TTL is
// wanted to be there, and is made again when somebody deletes it.
func TestJobThatIsMissed(t *testing.T) {
	e := newEnv(t)
	fails := e.job("fails", "backoffLimit: 0\nttlSecondsAfterFinished: 0", "env: [{name: EXIT, value: \"3\"}]")
	background := metav1.DeletePropagationBackground
	for range 2 {
		steps, res, err := e.steps(apply.Request{Units: []apply.Unit{fails}, NoRollback: true})
		var rollout *apply.RolloutError
		if !errors.As(err, &rollout) || res.Outcome != apply.Failed || len(ran(steps)) != 1 || rollout.Diagnoses[0].Code != apply.CodeJobFailed {
			t.Fatalf("%s, %v, ran %q", res.Outcome, err, ran(steps))
		}
		name := fails.Objects[1].GetName()
		e.eventually(jobs, func() (string, bool) {
			_, err := e.dyn.Resource(jobs).Namespace(e.ns).Get(e.ctx, name, metav1.GetOptions{})
			return name + " is there", err != nil
		})
	}
	stays := e.job("stays", "", "")
	e.empty(stays.Objects[1])
	name := stays.Objects[1].GetName()
	e.mustDeploy(stays)
	check(t, e.dyn.Resource(jobs).Namespace(e.ns).Delete(e.ctx, name, metav1.DeleteOptions{PropagationPolicy: &background}))
	if s := e.status("stays"); s.Ready {
		t.Errorf("status %+v", s)
	}
	steps, res, err := e.steps(apply.Request{Units: []apply.Unit{stays}})
	if err != nil || res.Outcome != apply.Deployed || !slices.Equal(ran(steps), []string{name}) {
		t.Errorf("deleted by hand: %s, %v, ran %q", res.Outcome, err, ran(steps))
	}
}
