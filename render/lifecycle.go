package render

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
)

const (
	// drainSeconds is how long a pod that serves goes on serving after it was
	// told to end: the time that its removal from the endpoints takes to reach
	// every node and proxy. Without it a rolling update drops requests
	// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).
	drainSeconds = 3
	// graceSeconds is Kubernetes' default, and includes the sleep.
	graceSeconds = 30
)

// grace is how long a pod may take to end, in seconds. A sleep that is longer
// than the default one takes nothing from the time to stop after it.
func (s *service) grace() int64 {
	l := s.Lifecycle
	switch {
	case l.TerminationGracePeriodSeconds != nil:
		return *l.TerminationGracePeriodSeconds
	case l.PreStop != nil && l.PreStop.SleepSeconds != nil:
		return graceSeconds + max(0, *l.PreStop.SleepSeconds-drainSeconds)
	}
	return graceSeconds
}

// lifecycle is what a container does before it is told to stop: what the user
// wrote, or the sleep that a service with ports needs. A sleep of no time, which
// not every cluster takes, is none.
func (s *service) lifecycle() (*corev1.Lifecycle, error) {
	handler := &corev1.LifecycleHandler{}
	switch p := s.Lifecycle.PreStop; {
	case p == nil && (len(s.Ports) == 0 || s.ends()):
		return nil, nil
	case p == nil:
		return sleep(min(drainSeconds, s.grace())), nil
	case p.SleepSeconds != nil:
		return sleep(*p.SleepSeconds), nil
	case p.HTTP != nil:
		get, err := httpGet(p.HTTP, s.Ports)
		if err != nil {
			return nil, s.wrong("lifecycle.preStop", err)
		}
		handler.HTTPGet = get
	case len(p.Exec) > 0:
		handler.Exec = &corev1.ExecAction{Command: p.Exec}
	default:
		return nil, s.wrong("lifecycle.preStop", errors.New("it does nothing: none of exec, http and sleepSeconds is set"))
	}
	return &corev1.Lifecycle{PreStop: handler}, nil
}

func sleep(seconds int64) *corev1.Lifecycle {
	if seconds <= 0 {
		return nil
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds}}}
}
