package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A webhook answers with the status code of its choice; its denial is one all the
// same, and leads to whoever keeps it.
func TestWebhookDenies(t *testing.T) {
	t.Parallel()
	object := Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "web"}
	for _, code := range []int32{400, 401, 403, 422, 500} {
		err := &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: code, Message: `admission webhook "teams.example.com" denied the request: it must name a team`,
		}}
		var denied *DeniedError
		if !errors.As((&Client{}).typed(err, object, nil), &denied) {
			t.Fatalf("%d: %v", code, (&Client{}).typed(err, object, nil))
		}
		if want := "Deployment web: " + err.ErrStatus.Message; denied.Error() != want {
			t.Errorf("%d: %s, want %s", code, denied, want)
		}
		if h := denied.Hint(); !strings.Contains(h, "webhook teams.example.com") || !strings.Contains(h, "patch: Deployment: …") || !strings.Contains(h, "namespace prod") {
			t.Errorf("%d: hint %s", code, h)
		}
	}
	if d := denied(`exceeded quota: team`, object); d.Code != CodeQuotaExceeded || strings.Contains(d.Hint, "patch") {
		t.Errorf("quota: %+v", d)
	}
}

// Each pod that is refused has an event of its own; what it says is said once.
func TestWarningLines(t *testing.T) {
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
	if got := warningLines(events, reason); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
