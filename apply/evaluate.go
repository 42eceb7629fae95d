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

// How long a cause that may pass by itself may last.
const (
	gracePull        = 25 * time.Second // a registry that did not answer
	graceSchedule    = 30 * time.Second // room, or a node, may be about to come
	graceNoNode      = 12 * time.Second // an autoscaler looks every ten seconds
	graceQuota       = 10 * time.Second // old pods may be about to go
	graceAdmission   = 3 * time.Second  // a service account may be about to come
	graceAsk         = 2 * time.Second  // then events are asked why a pod has no node, or is not made
	graceStuck       = 10 * time.Second // somebody may be about to delete the pod
	graceStart       = 4 * time.Second  // then events are asked why a pod does not start
	graceRetry       = 20 * time.Second // the kubelet tries again every ten seconds
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
	sortProblems(v.problems)
	return v
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
		if podStatus(p).Ready || p.DeletionTimestamp != nil || slices.Contains(w.pods, p) {
			continue
		}
		d := Diagnosis{Code: CodeDeadlineExceeded, Pod: p.Name, Hint: "delete the pod: kubectl -n " + p.Namespace + " delete pod " + p.Name}
		d.Message = "the pod is of an earlier release and not ready, and a StatefulSet updates only while all its pods are ready"
		of := podProblems(p)
		for _, s := range p.Status.ContainerStatuses {
			if !s.Ready && s.LastTerminationState.Terminated != nil && s.LastTerminationState.Terminated.ExitCode != 0 {
				pr := crash(s) // also while it runs again, up to the next time
				pr.Container = s.Name
				of = []problem{pr}
				break
			}
		}
		if len(of) > 0 {
			d.Code, d.Container, d.ExitCode = of[0].Code, of[0].Container, of[0].ExitCode
			d.Message += ": " + of[0].Message
		}
		return []problem{{key: "stuck/" + p.Name, Diagnosis: d, grace: graceStuck}}
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
	if p.DeletionTimestamp != nil {
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
			if pr, ok := containerProblem(c, *s); ok {
				add(c, pr)
			}
		}
	}
	for _, c := range p.Spec.Containers {
		if s := statusOf(p.Status.ContainerStatuses, c.Name); s != nil {
			if pr, ok := containerProblem(c, *s); ok {
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

// containerProblem judges one container by its status alone.
func containerProblem(c corev1.Container, s corev1.ContainerStatus) (problem, bool) {
	if s.Ready {
		return problem{}, false
	}
	if w := s.State.Waiting; w != nil {
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
			return imagePull(c, w), true
		case "CreateContainerConfigError", "CreateContainerError":
			return containerConfig(w), true
		case "CrashLoopBackOff", "RunContainerError":
			return crash(s), true
		case "ContainerCreating", "PodInitializing":
			return problem{
				key: "starting", grace: graceStart, unsure: true,
				Diagnosis: Diagnosis{Code: CodeDeadlineExceeded, Message: "the container was not started"},
			}, true
		}
		return problem{}, false
	}
	if t := s.State.Terminated; t != nil {
		if s.RestartCount > 0 && t.ExitCode != 0 {
			return crash(s), true
		}
		return problem{}, false
	}
	if s.State.Running == nil {
		return problem{}, false
	}
	started := s.Started != nil && *s.Started
	d := Diagnosis{Code: CodeProbeFailing}
	key := fmt.Sprintf("running/%d", s.RestartCount)
	if c.StartupProbe != nil && !started {
		d.Field, d.Message = "probes.startup", "the container runs and its startup probe does not pass"
		return problem{key: key, Diagnosis: d, grace: startupBudget(c.StartupProbe), slow: true}, true
	}
	if c.ReadinessProbe != nil {
		d.Field, d.Message = "probes.readiness", "the container runs and its readiness probe does not pass"
		return problem{key: key + "/started", Diagnosis: d, grace: readinessBudget(c.ReadinessProbe), slow: true}, true
	}
	return problem{}, false
}

func imagePull(c corev1.Container, w *corev1.ContainerStateWaiting) problem {
	reason := pullReason(w.Message, c.Image)
	d := Diagnosis{Code: CodeImagePull, Field: "image", Message: fmt.Sprintf("cannot pull %s: %s", c.Image, reason)}
	pr := problem{key: "pull", Diagnosis: d}
	text := strings.ToLower(w.Message)
	if w.Reason == "InvalidImageName" || w.Reason == "ErrImageNeverPull" {
		return pr
	}
	for _, definite := range []string{"not found", "manifest unknown", "unauthorized", "authorization failed", "denied", "forbidden", "no match for platform", "does not exist", "invalid reference", "name unknown"} {
		if strings.Contains(text, definite) {
			if strings.Contains(text, "unauthorized") || strings.Contains(text, "authorization failed") || strings.Contains(text, "denied") {
				pr.Hint = "name a Secret with the registry's credentials under pull, or check the one there is"
			}
			return pr
		}
	}
	pr.grace = gracePull
	return pr
}

// pullReason takes the last cause out of the runtime's chain, which names the
// image again and again: `… failed to resolve reference "x": x: not found`.
func pullReason(message, image string) string {
	if i := strings.LastIndex(message, `": `); i >= 0 {
		message = message[i+3:]
	}
	message = strings.TrimPrefix(message, image+": ")
	if strings.HasSuffix(message, "401 Unauthorized") {
		return "unauthorized: the registry wants credentials, or others"
	}
	if message == "" {
		return "no reason given"
	}
	return message
}

// containerConfig judges what keeps the kubelet from making a container. Much of
// it passes: its cache was not filled in time, the runtime did not answer.
func containerConfig(w *corev1.ContainerStateWaiting) problem {
	d := Diagnosis{Code: CodeConfigMissing, Message: w.Message}
	pr := problem{key: "config", grace: graceRetry}
	text := w.Message
	switch {
	case strings.Contains(text, "runAsNonRoot") || strings.Contains(text, "non-root"):
		pr.grace = 0
		d.Code, d.Field = CodeAdmissionDenied, "security"
		d.Hint = "run it as another user with security: runAsUser: 65532 (or the number of the image's own), or let it be root with security: runAsNonRoot: false"
	case strings.Contains(text, "no command specified"):
		pr.grace = 0
		d.Code, d.Field = CodeCrashLoop, "command"
		d.Message, d.Hint = "neither the image nor the service names a command", "name one under command"
	case keyMissing.MatchString(text) || objectMissing.MatchString(text):
		pr.grace, pr.unsure = 0, true // it may be there by now
		d.Field = "env"
	case strings.Contains(text, "configmap") || strings.Contains(text, "secret"):
		d.Field = "env"
	case w.Reason == "CreateContainerError":
		d.Code = CodeDeadlineExceeded
		d.Message = "the container cannot be created: " + text
	}
	pr.Diagnosis = d
	return pr
}

// crash says how the container's last run ended.
func crash(s corev1.ContainerStatus) problem {
	d := Diagnosis{Code: CodeCrashLoop, Field: "command"}
	t := s.State.Terminated
	if t == nil {
		t = s.LastTerminationState.Terminated
	}
	if t == nil {
		if s.State.Waiting != nil {
			d.Message = s.State.Waiting.Message
		}
		return problem{key: "crash", Diagnosis: d, grace: graceRetry} // the runtime may have been slow
	}
	code := t.ExitCode
	d.ExitCode = &code
	switch {
	case t.Reason == "OOMKilled":
		d.Code, d.Field = CodeOOMKilled, "resources.memory"
		d.Message = "the container used more memory than its limit"
		d.Hint = "raise resources.memory"
	case t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
		d.Message = "the container cannot be started: " + startError(t.Message)
	case code == 0:
		d.Message = "the process ended by itself (exit code 0); a service must keep running"
	default:
		d.Message = fmt.Sprintf("the process exited with code %d", code)
	}
	return problem{key: "crash", Diagnosis: d}
}

// startError takes runc's reason out of the runtime's chain.
func startError(message string) string {
	if _, rest, ok := strings.Cut(message, "unable to start container process: "); ok {
		message = rest
	}
	if i := strings.LastIndex(message, `exec: "`); i >= 0 {
		message = message[i+len("exec: "):]
	}
	return strings.TrimSuffix(message, ": unknown")
}
