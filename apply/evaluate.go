package apply

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// verdict is what one look at a workload tells.
type verdict struct {
	healthy  bool
	seen     bool // the controller has seen the generation that is waited for
	pods     Pods
	message  string
	problems []problem // worst first
}

// problem is a cause that ends the wait when it lasts for grace.
type problem struct {
	Diagnosis
	// key names the problem: as long as verdicts have it, it lasts.
	key   string
	grace time.Duration
	// slow: the grace is a guess from the probes, which a Timeout replaces.
	slow bool
	// unsure: only events tell whether it is one.
	unsure bool
	// uncreated: it is about a pod that is not there.
	uncreated bool
}

// never is of what does not end the wait before its deadline, and is told then.
const never = 1000 * time.Hour

// How long a cause that may pass by itself may last.
const (
	gracePull        = 40 * time.Second // a registry that did not answer: two more tries of the kubelet
	graceSchedule    = 30 * time.Second // room, or a node, may be about to come
	graceNoNode      = 12 * time.Second // an autoscaler looks every ten seconds
	graceQuota       = 10 * time.Second // old pods may be about to go
	graceNode        = time.Minute      // a node that is not ready may be about to come back
	graceAdmission   = 3 * time.Second  // the controller asks again at once, and then more and more slowly
	graceAccount     = 15 * time.Second // what admission looks up may be about to come
	graceWebhook     = 30 * time.Second // what admission asks may be about to answer
	graceAsk         = 2 * time.Second  // then events are asked why a pod has no node, or is not made
	graceStuck       = 10 * time.Second // somebody may be about to delete the pod
	graceStart       = 4 * time.Second  // then events are asked why a pod does not start
	graceRetry       = 20 * time.Second // the kubelet tries again every ten seconds
	startupAtLeast   = 20 * time.Second
	readinessAtLeast = 20 * time.Second
)

// evaluate judges a workload once its object has reached generation. It is pure;
// time enters where verdicts follow each other.
func evaluate(w *workload, generation int64) verdict {
	if w == nil {
		return verdict{message: "not there yet"}
	}
	v := verdict{pods: countPods(w.object)}
	observed, _, _ := unstructured.NestedInt64(w.object.Object, "status", "observedGeneration")
	isJob := w.object.GetKind() == "Job"
	if w.object.GetGeneration() < generation || !isJob && observed < w.object.GetGeneration() {
		v.message = "waiting for the controller"
		return v
	}
	v.seen = true
	res, err := status.Compute(w.object)
	if err != nil {
		v.message = err.Error()
		return v
	}
	v.message, v.healthy = res.Message, res.Status == status.CurrentStatus
	switch w.object.GetKind() {
	case "Job":
		v.job(w)
	case "StatefulSet":
		v.statefulSet(w)
	}
	if v.healthy {
		return v
	}
	for _, p := range w.pods {
		v.problems = append(v.problems, podProblems(p)...)
	}
	v.problems = append(v.problems, createProblems(w)...)
	if len(v.problems) == 0 {
		v.problems = append(v.problems, uncreated(w, v.pods.Wanted)...)
		v.problems = append(v.problems, stuck(w)...)
	}
	if w.object.GetKind() != "Job" {
		v.problems = append(v.problems, evicted(w)...)
	}
	sortProblems(v.problems)
	return v
}

// evicted tells of a pod that its node ended: it was pressed for room, or shut
// down, or never took it. The controller makes another one, which may be well.
func evicted(w *workload) []problem {
	for _, p := range w.pods {
		if p.Status.Phase == corev1.PodFailed && p.DeletionTimestamp == nil {
			d := Diagnosis{Code: CodeDeadlineExceeded, Pod: p.Name, Message: "a pod was ended by its node: " + p.Status.Reason}
			if p.Status.Message != "" {
				d.Message += ": " + strings.TrimSpace(p.Status.Message)
			}
			return []problem{{key: "evicted", Diagnosis: d, grace: never}}
		}
	}
	return nil
}

// ended reports whether no container of the pod runs again: its node ended it, or
// it is of a Job.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}

// statefulSet adds what kstatus does not look at: minReadySeconds.
func (v *verdict) statefulSet(w *workload) {
	minReady, _, _ := unstructured.NestedInt64(w.object.Object, "spec", "minReadySeconds")
	available, _, _ := unstructured.NestedInt64(w.object.Object, "status", "availableReplicas")
	if v.healthy && minReady > 0 && available < int64(v.pods.Wanted) {
		v.healthy, v.message = false, fmt.Sprintf("Available: %d/%d", available, v.pods.Wanted)
	}
}

// stuck is a broken pod of an earlier template that keeps a StatefulSet from
// updating: with ordered pods it acts only while all of them are ready
// (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
func stuck(w *workload) []problem {
	policy, _, _ := unstructured.NestedString(w.object.Object, "spec", "podManagementPolicy")
	if w.object.GetKind() != "StatefulSet" || policy == string(appsv1.ParallelPodManagement) {
		return nil
	}
	for _, p := range w.all {
		if isReady(p) || p.DeletionTimestamp != nil || ended(p) || slices.Contains(w.pods, p) {
			continue
		}
		d := Diagnosis{Code: CodeDeadlineExceeded, Pod: p.Name, Hint: "delete the pod: kubectl -n " + p.Namespace + " delete pod " + p.Name}
		d.Message = "the pod is of an earlier release and not ready, and a StatefulSet updates only while all its pods are ready"
		of := podProblems(p)
		for _, s := range p.Status.ContainerStatuses {
			if t := s.LastTerminationState.Terminated; !s.Ready && t != nil && t.ExitCode != 0 && !chance(t) {
				pr := crash(s) // also while it runs again, up to the next time
				pr.Container = s.Name
				of = []problem{pr}
				break
			}
		}
		pr := problem{key: "stuck/" + p.Name, grace: graceSchedule} // it may be about to be ready
		if len(of) > 0 {
			d.Code, d.Container, d.ExitCode = of[0].Code, of[0].Container, of[0].ExitCode
			d.Message += ": " + of[0].Message
			pr.grace, pr.slow, pr.unsure = max(graceStuck, of[0].grace), of[0].slow, of[0].unsure
		}
		pr.Diagnosis = d
		return []problem{pr}
	}
	return nil
}

func sortProblems(ps []problem) {
	// What is certain comes first, then what is soonest.
	rank := func(p problem) time.Duration {
		if p.unsure {
			return p.grace + time.Hour
		}
		return p.grace
	}
	for i := 1; i < len(ps); i++ {
		for j := i; j > 0 && rank(ps[j]) < rank(ps[j-1]); j-- {
			ps[j], ps[j-1] = ps[j-1], ps[j]
		}
	}
}

func countPods(o *unstructured.Unstructured) Pods {
	get := func(fields ...string) int32 {
		n, _, _ := unstructured.NestedInt64(o.Object, fields...)
		return int32(n)
	}
	switch o.GetKind() {
	case "DaemonSet":
		return Pods{Wanted: get("status", "desiredNumberScheduled"), Updated: get("status", "updatedNumberScheduled"), Ready: get("status", "numberReady")}
	case "Job":
		p := Pods{Wanted: 1, Updated: get("status", "active"), Ready: get("status", "succeeded")}
		if n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "completions"); ok {
			p.Wanted = int32(n)
		}
		return p
	}
	p := Pods{Wanted: 1, Updated: get("status", "updatedReplicas"), Ready: get("status", "readyReplicas")}
	if n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); ok {
		p.Wanted = int32(n)
	}
	return p
}

// podProblems tells what keeps one pod of the current template from being ready.
func podProblems(p *corev1.Pod) []problem {
	if p.DeletionTimestamp != nil || ended(p) {
		return nil
	}
	var out []problem
	add := func(c corev1.Container, pr problem) {
		pr.Pod, pr.Container = p.Name, c.Name
		pr.key = p.Name + "/" + c.Name + "/" + pr.key
		out = append(out, pr)
	}
	if p.Spec.NodeName == "" && p.Status.Phase == corev1.PodPending {
		add(corev1.Container{}, unschedulable(p))
		return out
	}
	for _, c := range p.Spec.InitContainers {
		if s := statusOf(p.Status.InitContainerStatuses, c.Name); s != nil {
			if pr, ok := containerProblem(p, c, *s); ok {
				add(c, pr)
			}
		}
	}
	for _, c := range p.Spec.Containers {
		if s := statusOf(p.Status.ContainerStatuses, c.Name); s != nil {
			if pr, ok := containerProblem(p, c, *s); ok {
				add(c, pr)
			}
		}
	}
	return out
}

func statusOf(all []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// unschedulable says why a pod has no node. The scheduler says nothing while it
// waits for a volume.
func unschedulable(p *corev1.Pod) problem {
	d := Diagnosis{Code: CodeUnschedulable, Message: "the scheduler has not found a node"}
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodScheduled && cond.Status == corev1.ConditionFalse && cond.Message != "" {
			// "0/3 nodes are available: 1 Insufficient cpu, … preemption: …"
			short, _, _ := strings.Cut(cond.Message, " preemption:")
			short, _, _ = strings.Cut(short, " no new claims to deallocate") // said of every pod, with claims or without
			d.Message = strings.TrimSuffix(strings.TrimSpace(short), ".")
		}
	}
	switch {
	case strings.Contains(d.Message, "Insufficient cpu"):
		d.Field = "resources.cpu"
	case strings.Contains(d.Message, "Insufficient memory"):
		d.Field = "resources.memory"
	case strings.Contains(d.Message, "Insufficient"):
		d.Field = "resources"
	}
	return problem{key: "unschedulable", Diagnosis: d, grace: graceAsk, unsure: true}
}
