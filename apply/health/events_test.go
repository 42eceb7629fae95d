package health

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Each pod that is refused has an event of its own; what it says is said once.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const reason = `admission webhook "teams.example.com" denied the request: it must name a team`
	event := func(reason, message string, count int32) corev1.Event {
		return corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: message, Count: count}
	}
	events := []corev1.Event{
		event("FailedCreate", "Error creating: "+reason, 1),
		event("FailedCreate", "create Pod web-0 in StatefulSet web failed error: "+reason, 4),
		event("FailedCreate", `Error creating: pods "web-x" is forbidden: no service account`, 1),
		event("FailedCreate", `(combined from similar events): Error creating: pods "web-y" is forbidden: no service account`, 2),
		event("BackOff", "Back-off restarting", 7),
		{Type: corev1.EventTypeNormal, Reason: "Pulled", Message: "pulled"},
	}
	want := []string{"FailedCreate: no service account (×3)", "BackOff: Back-off restarting (×7)"}
	if got := Warnings(events, reason); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
