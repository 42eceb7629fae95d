package apply

import (
	"errors"
	"strings"
	"testing"

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
}
