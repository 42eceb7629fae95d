package health

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A scheduler that has said nothing has not looked: that is no pod that fits nowhere.
func TestSilentScheduler(t *testing.T) {
	t.Parallel()
	silent := &corev1.Pod{}
	spoke := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}}}
	event := func(reason string) []corev1.Event { return []corev1.Event{{Reason: reason}} }
	for name, tt := range map[string]struct {
		pod    *corev1.Pod
		events []corev1.Event
		want   bool
	}{
		"nothing is said":       {silent, nil, false},
		"another's event":       {silent, event("NotTriggerScaleUp"), false},
		"a condition":           {spoke, nil, true},
		"an event, as it comes": {silent, event("FailedScheduling"), true},
	} {
		if got := Judged(tt.pod, tt.events); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if pr := unschedulable(silent); !strings.Contains(pr.Message, "has not looked") || pr.Hint == "" || !pr.Unsure {
		t.Errorf("of one that says nothing: %+v", pr)
	}
	if pr := unschedulable(spoke); pr.Message != "the scheduler has not found a node" || pr.Hint != "" {
		t.Errorf("of one that says no: %+v", pr)
	}
}
