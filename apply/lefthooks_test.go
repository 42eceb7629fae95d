package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// running is a Job before the workload that ends well after a time.
func (e *env) running(name, ends string) *unstructured.Unstructured {
	e.Helper()
	o := e.hook("web", name, "before", "", "")
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	container := containers[0].(map[string]any)
	container["env"] = []any{map[string]any{"name": "ENDS", "value": ends}}
	check(e.T, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
	return o
}

// killedHook leaves a deploy behind that was killed while its Job ran.
func (e *env) killedHook(u apply.Unit) {
	e.Helper()
	c := e.child(childDeploy{Units: []apply.Unit{u}})
	if !c.until(string(apply.EventWaiting)) {
		e.Fatalf("the first deploy says %q", c.said)
	}
	e.eventually(pods, func() (string, bool) {
		return "nothing runs", len(e.taskPods(func(p *corev1.Pod) bool {
			return len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Running != nil
		})) > 0
	})
	check(e.T, c.cmd.Process.Kill())
	c.wait()
}

func (e *env) taskPods(ok func(*corev1.Pod) bool) []corev1.Pod {
	e.Helper()
	list, err := e.dyn.Resource(pods).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "shipit.dev/task-of"})
	check(e.T, err)
	var out []corev1.Pod
	for i := range list.Items {
		var p corev1.Pod
		check(e.T, fromUnstructured(&list.Items[i], &p))
		if ok(&p) {
			out = append(out, p)
		}
	}
	return out
}

// watched keeps how the container of each Job's pod ended, while f runs.
func (e *env) watched(f func()) map[string]*corev1.ContainerStateTerminated {
	e.Helper()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	w, err := e.dyn.Resource(pods).Namespace(e.ns).Watch(ctx, metav1.ListOptions{LabelSelector: "shipit.dev/task-of"})
	check(e.T, err)
	ended := map[string]*corev1.ContainerStateTerminated{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range w.ResultChan() {
			o, ok := ev.Object.(*unstructured.Unstructured)
			var p corev1.Pod
			if !ok || fromUnstructured(o, &p) != nil {
				continue
			}
			for _, s := range p.Status.ContainerStatuses {
				if s.State.Terminated != nil {
					ended[p.Labels["job-name"]] = s.State.Terminated
				}
			}
		}
	}()
	f()
	w.Stop()
	<-done
	return ended
}

// A migration that a killed deploy left running is not cut in the middle: a deploy of
// another release waits for its end before it runs its own, and what ran is remembered;
// so do a rollback and a deletion.
func TestLeftHookRunsToItsEnd(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.killedHook(with(e.podless("web", "2"), e.running("migrate-2", "6s")))
	ended := e.watched(func() { e.mustDeploy(with(e.podless("web", "3"), e.running("migrate-3", "1ms"))) })
	second, third := ended["migrate-2"], ended["migrate-3"]
	if second == nil || second.ExitCode != 0 || third == nil || third.StartedAt.Before(&second.FinishedAt) {
		t.Errorf("ended: %+v", ended)
	}
	steps, _, err := e.steps(apply.Request{Units: []apply.Unit{with(e.podless("web", "2"), e.running("migrate-2", "6s"))}})
	check(t, err)
	for _, s := range steps {
		if strings.Contains(s, "create Job") {
			t.Errorf("%s, which had run", s)
		}
	}

	e.killedHook(with(e.podless("web", "4"), e.running("migrate-4", "6s")))
	ended = e.watched(func() {
		if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}, To: 1}, e.log); err != nil || res.Outcome != apply.Deployed {
			t.Errorf("rollback: %s, %v", res.Outcome, err)
		}
	})
	if end := ended["migrate-4"]; end == nil || end.ExitCode != 0 {
		t.Errorf("in a rollback: %+v", ended)
	}

	e.killedHook(with(e.podless("web", "5"), e.running("migrate-5", "6s")))
	ended = e.watched(func() {
		if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Removed {
			t.Errorf("deletion: %s, %v", res.Outcome, err)
		}
	})
	if end := ended["migrate-5"]; end == nil || end.ExitCode != 0 {
		t.Errorf("in a deletion: %+v", ended)
	}
}

// One that runs longer than the deploy may wait is left running, and nothing is
// changed; one of which nothing runs is ended, and said to be.
func TestLeftHookThatDoesNotEnd(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.killedHook(with(e.podless("web", "2"), e.running("migrate-2", "1h")))
	running := e.uid("migrate-2")
	res, err := e.deploy(e.ctx, apply.Request{Timeout: 2 * time.Second, Units: []apply.Unit{e.podless("web", "3")}}, nil)
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || len(rollout.Diagnoses) != 1 || rollout.Diagnoses[0].Object.Name != "migrate-2" {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	if e.uid("migrate-2") != running {
		t.Error("the Job was made anew")
	}
	check(t, e.dyn.Resource(jobs).Namespace(e.ns).Delete(e.ctx, "migrate-2", metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)}))
	e.eventually(pods, func() (string, bool) {
		left := e.taskPods(func(*corev1.Pod) bool { return true })
		return "its pods are there", len(left) == 0
	})

	idle := e.running("migrate-3", "1h")
	containers, _, _ := unstructured.NestedSlice(idle.Object, "spec", "template", "spec", "containers")
	containers[0].(map[string]any)["image"] = "127.0.0.1:1/no/such:image"
	check(t, unstructured.SetNestedSlice(idle.Object, containers, "spec", "template", "spec", "containers"))
	c := e.child(childDeploy{Units: []apply.Unit{with(e.podless("web", "3"), idle)}})
	if !c.until(string(apply.EventWaiting)) {
		t.Fatalf("the deploy says %q", c.said)
	}
	check(t, c.cmd.Process.Kill())
	c.wait()
	said := ""
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{with(e.podless("web", "4"), e.running("migrate-4", "1ms"))}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			said += ev.Message + "\n"
		}
	})
	if err != nil || res.Outcome != apply.Deployed || !strings.Contains(said, "Job migrate-3, which a deploy that was stopped had started, is ended: nothing of it runs") {
		t.Errorf("%s, %v, said %q", res.Outcome, err, said)
	}
	e.isGone(jobs, "migrate-3")
}
