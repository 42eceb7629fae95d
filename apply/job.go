package apply

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// job judges a Job, which kstatus calls current as soon as it has started.
func (v *verdict) job(w *workload) {
	v.healthy = false
	limit, ok, _ := unstructured.NestedInt64(w.object.Object, "spec", "backoffLimit")
	if !ok {
		limit = 6 // the default of batch/v1
	}
	failed, _, _ := unstructured.NestedInt64(w.object.Object, "status", "failed")
	last, code := w.lastFailure()
	if failed > 0 {
		v.message = fmt.Sprintf("attempt %d of %d failed", failed, limit+1)
		if code != nil {
			v.message += fmt.Sprintf(" (exit code %d)", *code)
		}
	}
	conditions, _, _ := unstructured.NestedSlice(w.object.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		if m["status"] != "True" {
			continue
		}
		switch m["type"] {
		case "Complete", "SuccessCriteriaMet":
			v.healthy = m["type"] == "Complete"
			v.message = "completed"
		case "Failed", "FailureTarget":
			reason, _ := m["message"].(string)
			v.problems = append(v.problems, jobFailed(reason, last, code))
		}
	}
}

// jobFailed says why a Job is not tried again.
func jobFailed(reason string, last *corev1.Pod, code *int32) problem {
	d := Diagnosis{Code: CodeJobFailed, Field: "command", Message: reason, ExitCode: code}
	if last != nil {
		d.Pod = last.Name
		for _, s := range slices.Concat(last.Status.InitContainerStatuses, last.Status.ContainerStatuses) {
			if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
				d.Container = s.Name
				switch {
				case t.Reason == "OOMKilled":
					d.Code, d.Field, d.Hint = CodeOOMKilled, "resources.memory", "raise resources.memory"
					d.Message = "the container used more memory than its limit"
				case neverStarted(t):
					d.Message = "the container cannot be started: " + startError(t.Message)
				default:
					d.Message = fmt.Sprintf("the process exited with code %d (%s)", t.ExitCode, reason)
				}
			}
		}
	}
	return problem{key: "job", Diagnosis: d}
}

// lastFailure is the newest pod of a Job that failed, and its exit code.
func (w *workload) lastFailure() (last *corev1.Pod, code *int32) {
	for _, p := range w.pods {
		if p.Status.Phase == corev1.PodFailed && (last == nil || last.CreationTimestamp.Before(&p.CreationTimestamp)) {
			last = p
		}
	}
	if last == nil {
		return nil, nil
	}
	for _, s := range slices.Concat(last.Status.InitContainerStatuses, last.Status.ContainerStatuses) {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			code = &t.ExitCode
		}
	}
	return last, code
}

// failedJob reports whether a Job is not tried again.
func failedJob(o *unstructured.Unstructured) bool {
	return slices.ContainsFunc(evaluate(&workload{object: o}, 0).problems, func(pr problem) bool { return pr.key == "job" })
}
