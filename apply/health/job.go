package health

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// job judges a Job, which kstatus calls current as soon as it has started.
func (v *Verdict) job(w *Workload) {
	v.Healthy = false
	limit, ok, _ := unstructured.NestedInt64(w.Object.Object, "spec", "backoffLimit")
	if !ok {
		limit = 6 // the default of batch/v1
	}
	failed, _, _ := unstructured.NestedInt64(w.Object.Object, "status", "failed")
	last, code := w.lastFailure()
	if failed > 0 {
		v.Message = fmt.Sprintf("attempt %d of %d failed", failed, limit+1)
		if code != nil {
			v.Message += fmt.Sprintf(" (exit code %d)", *code)
		}
	}
	conditions, _, _ := unstructured.NestedSlice(w.Object.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		if m["status"] != "True" {
			continue
		}
		switch m["type"] {
		case "Complete", "SuccessCriteriaMet":
			v.Healthy = m["type"] == "Complete"
			v.Message = "completed"
		case "Failed", "FailureTarget":
			reason, _ := m["message"].(string)
			v.Problems = append(v.Problems, jobFailed(reason, last, code))
		}
	}
	if !v.Healthy && len(v.Problems) == 0 && suspended(w.Object) && declared(w.Object, "spec", "suspend") {
		v.Healthy, v.Message = true, "suspended" // as it is written: there is nothing to wait for
	}
}

// JobComplete reports whether a Job has run to its end, and well.
func JobComplete(o *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		m, _ := c.(map[string]any)
		return m["type"] == "Complete" && m["status"] == "True"
	})
}

// jobFailed says why a Job is not tried again.
func jobFailed(reason string, last *corev1.Pod, code *int32) Problem {
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
	return Problem{Key: "job", Diagnosis: d}
}

// lastFailure is the newest pod of a Job that failed, and its exit code.
func (w *Workload) lastFailure() (last *corev1.Pod, code *int32) {
	for _, p := range w.Pods {
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

// JobFailed reports whether a Job is not tried again.
func JobFailed(o *unstructured.Unstructured) bool {
	return slices.ContainsFunc(Evaluate(&Workload{Object: o}, 0).Problems, func(pr Problem) bool { return pr.Key == "job" })
}

// JobEnded reports whether a Job has run to its end, well or not.
func JobEnded(o *unstructured.Unstructured) bool { return JobComplete(o) || JobFailed(o) }
