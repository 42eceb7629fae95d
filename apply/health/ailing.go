package health

import corev1 "k8s.io/api/core/v1"

// Ailing tells what is wrong with a workload that is rolled out, which no rollout
// sees: containers that are ready and end again and again, as those do whose liveness
// probe never passes; and a CronJob whose last run failed.
func Ailing(w *Workload) (Problem, bool) {
	if w.Object.GetKind() == "CronJob" {
		return w.lastRun()
	}
	for _, p := range w.Pods {
		for _, s := range p.Status.ContainerStatuses {
			if s.Ready && restarts(s) {
				pr := crash(s)
				pr.Pod, pr.Container = p.Name, s.Name
				return pr, true
			}
		}
	}
	return Problem{}, false
}

// lastRun is the failure of the newest run that ended.
func (w *Workload) lastRun() (Problem, bool) {
	var last *corev1.Pod
	for _, p := range w.Pods {
		if ended(p) && (last == nil || last.CreationTimestamp.Before(&p.CreationTimestamp)) {
			last = p
		}
	}
	if last == nil || last.Status.Phase != corev1.PodFailed {
		return Problem{}, false
	}
	_, code := w.lastFailure()
	return jobFailed("its last run failed", last, code), true
}
