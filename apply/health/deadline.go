package health

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What a rollout is given beside what its probes say.
const (
	allowPull      = 2 * time.Minute  // images, once
	allowStart     = 15 * time.Second // scheduling, volumes and network, per batch of pods
	allowJob       = 10 * time.Minute // a Job that does not say how long it may run
	deadlineAtMost = time.Hour
)

// startupBudget is how long a container may take to start. The kubelet kills it
// after what the probe says, and starts it anew; a probe of few seconds is given
// time for that, as the second start is often the faster one.
func startupBudget(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	return max(startupAtLeast, probeTime(p))
}

// readinessBudget is how long a running container may take to get ready. A
// readiness probe has no limit of its own, so this is three times what it takes
// to fail.
func readinessBudget(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	initial := time.Duration(p.InitialDelaySeconds) * time.Second
	return initial + max(readinessAtLeast, 3*(probeTime(p)-initial))
}

func probeTime(p *corev1.Probe) time.Duration {
	or := func(v, def int32) time.Duration {
		if v == 0 {
			v = def
		}
		return time.Duration(v)
	}
	// Defaults of core/v1 Probe: period 10 s, timeout 1 s, failure threshold 3.
	s := time.Duration(p.InitialDelaySeconds) + or(p.PeriodSeconds, 10)*or(p.FailureThreshold, 3) + or(p.TimeoutSeconds, 1)
	return s * time.Second
}

// Deadline is how long a workload may take to roll out: the image allowance,
// then for each batch of pods that the rollout strategy allows, the time to
// start and for the probes to pass, and before that for the old pods to end where
// the new ones take their places. A Job is given the time it says it may run. It is
// two minutes of what has no pods, and an hour at most.
func Deadline(o *unstructured.Unstructured) time.Duration {
	template, ok, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec")
	if !ok {
		return allowPull
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &spec); err != nil {
		return allowPull + 10*time.Minute // a shape we do not know: Kubernetes' own progress deadline
	}
	minReady, _, _ := unstructured.NestedInt64(o.Object, "spec", "minReadySeconds")
	batch := allowStart + podBudget(spec) + time.Duration(minReady)*time.Second
	if o.GetKind() == "Job" {
		return min(allowPull+jobBudget(o)+batch, deadlineAtMost)
	}
	if replacesInPlace(o) {
		grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
		if spec.TerminationGracePeriodSeconds != nil {
			grace = *spec.TerminationGracePeriodSeconds
		}
		batch += time.Duration(grace) * time.Second
	}
	return min(allowPull+time.Duration(batches(o))*batch, deadlineAtMost)
}

// replacesInPlace reports whether old pods end before new ones start.
func replacesInPlace(o *unstructured.Unstructured) bool {
	t, _, _ := unstructured.NestedString(o.Object, "spec", "strategy", "type")
	return o.GetKind() == "StatefulSet" || t == string(appsv1.RecreateDeploymentStrategyType)
}

// jobBudget is how long a Job may run, with the pauses between its attempts: ten
// seconds, then twice as long each time, up to six minutes
// (https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy).
func jobBudget(o *unstructured.Unstructured) time.Duration {
	if s, ok, _ := unstructured.NestedInt64(o.Object, "spec", "activeDeadlineSeconds"); ok {
		return time.Duration(s) * time.Second
	}
	retries, ok, _ := unstructured.NestedInt64(o.Object, "spec", "backoffLimit")
	if !ok {
		retries = 6
	}
	budget := allowJob
	for i := range min(retries, 20) {
		budget += min(10*time.Second<<i, 6*time.Minute)
	}
	return budget
}

// podBudget is the slowest container's way to ready; init containers come one
// after the other, and get an allowance each.
func podBudget(spec corev1.PodSpec) time.Duration {
	var slowest time.Duration
	for _, c := range spec.Containers {
		slowest = max(slowest, startupBudget(c.StartupProbe)+readinessBudget(c.ReadinessProbe))
	}
	for _, c := range spec.InitContainers {
		slowest += allowStart + startupBudget(c.StartupProbe)
	}
	return slowest
}

// batches is how many times the rollout must wait for new pods.
func batches(o *unstructured.Unstructured) int {
	replicas, ok, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if !ok {
		replicas = 1
	}
	n := int(replicas)
	if n <= 1 {
		return 1
	}
	switch o.GetKind() {
	case "StatefulSet":
		// Parallel is about scaling only: pods are updated one after another.
		return n
	case "Deployment":
	default:
		return 1
	}
	if t, _, _ := unstructured.NestedString(o.Object, "spec", "strategy", "type"); t == string(appsv1.RecreateDeploymentStrategyType) {
		return 1
	}
	step := rollingValue(o, "maxSurge", n, true) + rollingValue(o, "maxUnavailable", n, false)
	step = max(step, 1)
	return (n + step - 1) / step
}

// rollingValue reads maxSurge or maxUnavailable; both default to 25%, the first
// rounded up, the second down.
func rollingValue(o *unstructured.Unstructured, field string, replicas int, up bool) int {
	value := intstr.FromString("25%")
	switch v, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "strategy", "rollingUpdate", field); v := v.(type) {
	case int64:
		value = intstr.FromInt32(int32(v))
	case string:
		value = intstr.FromString(v)
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(&value, replicas, up)
	if err != nil {
		return 0
	}
	return n
}
