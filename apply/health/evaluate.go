package health

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

// Verdict is what one look at a workload tells.
type Verdict struct {
	Healthy  bool // rolled out, and its pods are ready; of a Job, that it is complete
	Pods     Pods
	Message  string    // where the rollout is, mostly in kstatus' words
	Problems []Problem // worst first; none when it is healthy

	seen bool // the controller has seen the generation that is waited for
}

// Problem is a cause that ends the wait when it lasts for Grace.
type Problem struct {
	// What is known of it so far; Unit is empty, and mostly Object too.
	Diagnosis
	// Key names the problem of its workload: as long as verdicts have it, it lasts.
	Key string
	// Grace is how long it may last; 0 ends the wait at once.
	Grace time.Duration
	// Slow: the Grace is a guess from the probes, which a timeout of the user's
	// replaces.
	Slow bool
	// Unsure: only events tell whether it is one (RefineByEvents, RefineUncreated).
	Unsure bool
	// Uncreated: it is about a pod that is not there.
	Uncreated bool

	patience time.Duration // of a probe: how long it may fail when no answer says more
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
	startupAtLeast   = 20 * time.Second
	readinessAtLeast = 20 * time.Second
)

// GraceRetry is how long what the kubelet does not get may be missing: it tries again
// every ten seconds.
const GraceRetry = 20 * time.Second

// Evaluate judges a workload once its object has reached generation; 0 takes the one
// that it has. A nil workload is not there yet, and not healthy. But for how long ago
// containers ended, time enters where verdicts follow each other.
func Evaluate(w *Workload, generation int64) Verdict {
	if w == nil {
		return Verdict{Message: "not there yet"}
	}
	v := Verdict{Pods: countPods(w.Object)}
	observed, _, _ := unstructured.NestedInt64(w.Object.Object, "status", "observedGeneration")
	isJob := w.Object.GetKind() == "Job"
	if w.Object.GetGeneration() < generation || !isJob && observed < w.Object.GetGeneration() {
		v.Message = "waiting for the controller"
		return v
	}
	v.seen = true
	res, err := status.Compute(w.Object)
	if err != nil {
		v.Message = err.Error()
		return v
	}
	v.Message, v.Healthy = res.Message, res.Status == status.CurrentStatus
	switch w.Object.GetKind() {
	case "Job":
		v.job(w)
	case "Deployment":
		v.deployment(w.Object)
	case "StatefulSet":
		v.replacedByHand(w.Object)
		v.statefulSet(w)
	case "DaemonSet":
		v.replacedByHand(w.Object)
	}
	if v.Healthy {
		return v
	}
	v.Problems = append(v.Problems, paused(w.Object)...)
	for _, p := range w.Pods {
		v.Problems = append(v.Problems, podProblems(p)...)
	}
	v.Problems = append(v.Problems, createProblems(w)...)
	if len(v.Problems) == 0 {
		v.Problems = append(v.Problems, uncreated(w, v.Pods.Wanted)...)
		v.Problems = append(v.Problems, stuck(w)...)
	}
	if w.Object.GetKind() != "Job" {
		v.Problems = append(v.Problems, evicted(w)...)
	}
	sortProblems(v.Problems)
	return v
}

// evicted tells of a pod that its node ended: it was pressed for room, or shut
// down, or never took it. The controller makes another one, which may be well.
func evicted(w *Workload) []Problem {
	for _, p := range w.Pods {
		if p.Status.Phase == corev1.PodFailed && p.DeletionTimestamp == nil {
			d := Diagnosis{Code: CodeDeadlineExceeded, Pod: p.Name, Message: "a pod was ended by its node: " + p.Status.Reason}
			if p.Status.Message != "" {
				d.Message += ": " + strings.TrimSpace(p.Status.Message)
			}
			return []Problem{{Key: "evicted", Diagnosis: d, Grace: never}}
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
func (v *Verdict) statefulSet(w *Workload) {
	minReady, _, _ := unstructured.NestedInt64(w.Object.Object, "spec", "minReadySeconds")
	available, _, _ := unstructured.NestedInt64(w.Object.Object, "status", "availableReplicas")
	if v.Healthy && minReady > 0 && available < int64(v.Pods.Wanted) {
		v.Healthy, v.Message = false, fmt.Sprintf("Available: %d/%d", available, v.Pods.Wanted)
	}
}

// stuck is a broken pod of an earlier template that its controller does not replace:
// by its strategy, or as it keeps a StatefulSet from updating: with ordered pods it acts only while all of them are ready
// (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
func stuck(w *Workload) []Problem {
	policy, _, _ := unstructured.NestedString(w.Object.Object, "spec", "podManagementPolicy")
	if !onDelete(w.Object) && (w.Object.GetKind() != "StatefulSet" || policy == string(appsv1.ParallelPodManagement)) {
		return nil
	}
	for _, p := range w.all {
		if Ready(p) || p.DeletionTimestamp != nil || ended(p) || slices.Contains(w.Pods, p) {
			continue
		}
		d := Diagnosis{Code: CodeDeadlineExceeded, Pod: p.Name, Hint: "delete the pod: kubectl -n " + p.Namespace + " delete pod " + p.Name}
		d.Message = "the pod is of an earlier release and not ready, and a StatefulSet updates only while all its pods are ready"
		if onDelete(w.Object) {
			d.Message = "the pod is of an earlier release and not ready, and with the strategy OnDelete it is replaced only when it is deleted"
		}
		of := podProblems(p)
		for _, s := range p.Status.ContainerStatuses {
			if t := s.LastTerminationState.Terminated; !s.Ready && t != nil && t.ExitCode != 0 && !chance(t) {
				pr := crash(s) // also while it runs again, up to the next time
				pr.Container = s.Name
				of = []Problem{pr}
				break
			}
		}
		pr := Problem{Key: "stuck/" + p.Name, Grace: graceSchedule} // it may be about to be ready
		if len(of) > 0 {
			d.Code, d.Container, d.ExitCode = of[0].Code, of[0].Container, of[0].ExitCode
			d.Message += ": " + of[0].Message
			pr.Grace, pr.Slow, pr.Unsure = max(graceStuck, of[0].Grace), of[0].Slow, of[0].Unsure
			if of[0].patience > 0 {
				pr.Grace, pr.Unsure = max(graceStuck, of[0].patience), false
			}
		}
		pr.Diagnosis = d
		return []Problem{pr}
	}
	return nil
}

func sortProblems(ps []Problem) {
	// What is certain comes first, then what is soonest.
	rank := func(p Problem) time.Duration {
		if p.Unsure {
			return p.Grace + time.Hour
		}
		return p.Grace
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
func podProblems(p *corev1.Pod) []Problem {
	if p.DeletionTimestamp != nil || ended(p) {
		return nil
	}
	var out []Problem
	add := func(c corev1.Container, pr Problem) {
		pr.Pod, pr.Container = p.Name, c.Name
		sayLimit(&pr.Diagnosis, c)
		pr.Key = p.Name + "/" + c.Name + "/" + pr.Key
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

// unschedulable says why a pod has no node. A scheduler that has said nothing of it
// has not looked: it may be starting, or be away.
func unschedulable(p *corev1.Pod) Problem {
	d := Diagnosis{Code: CodeUnschedulable, Message: "the scheduler has not looked at the pod yet", Hint: "if it stays so, see whether the cluster's scheduler runs"}
	for _, cond := range p.Status.Conditions {
		if !unscheduled(cond) {
			continue
		}
		d.Message, d.Hint = "the scheduler has not found a node", ""
		if cond.Message != "" {
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
	return Problem{Key: "unschedulable", Diagnosis: d, Grace: graceAsk, Unsure: true}
}

func unscheduled(c corev1.PodCondition) bool {
	return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
}
