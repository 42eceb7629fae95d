package health

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A container that is ready and ended twice of late is told of; what ended once, long
// ago, or with its node is not.
func TestAiling(t *testing.T) {
	t.Parallel()
	ended := func(ago time.Duration, reason string) *corev1.ContainerStateTerminated {
		at := time.Now().Add(-ago)
		return &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: reason, StartedAt: metav1.NewTime(at.Add(-time.Minute)), FinishedAt: metav1.NewTime(at),
		}
	}
	for _, tt := range []struct {
		name     string
		restarts int32
		last     *corev1.ContainerStateTerminated
		want     bool
	}{
		{"twice", 2, ended(time.Minute, "Error"), true},
		{"once", 1, ended(time.Minute, "Error"), false},
		{"long ago", 5, ended(time.Hour, "Error"), false},
		{"with its node", 3, ended(time.Minute, "Unknown"), false},
		{"never", 0, nil, false},
	} {
		s := after(running(tt.restarts, true), tt.restarts, tt.last)
		p := podOf(s, corev1.Container{ReadinessProbe: &corev1.Probe{}})
		if prs := podProblems(p); len(prs) != 1 || (prs[0].Code == CodeCrashLoop) != tt.want {
			t.Errorf("%s, and not ready: %+v", tt.name, prs)
		}
		p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		if prs := podProblems(p); len(prs) != 1 || prs[0].Code == CodeCrashLoop {
			t.Errorf("%s, of a Job that counts by itself: %+v", tt.name, prs)
		}
		s.Ready = true
		pr, got := Ailing(&Workload{Object: &unstructured.Unstructured{}, Pods: []*corev1.Pod{podOf(s, corev1.Container{})}})
		if got != tt.want || got && (pr.Code != CodeCrashLoop || pr.Pod != "web-1" || pr.Container != "web") {
			t.Errorf("%s: %v, %+v", tt.name, got, pr)
		}
	}
}
