package apply

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A webhook that is down is named with the object, and asked again all the same.
func TestWebhookDown(t *testing.T) {
	t.Parallel()
	c, object := &Client{}, Ref{APIVersion: "v1", Kind: "Service", Name: "web"}
	down := apierrors.NewInternalError(errors.New(`failed calling webhook "check.example.com": failed to call webhook: Post "https://check.team.svc:443/": dial tcp 10.96.0.7:443: connect: connection refused`))
	err := c.typed(down, object, nil)
	var webhook *WebhookError
	if !errors.As(err, &webhook) || webhook.Webhook != "check.example.com" || !strings.HasPrefix(err.Error(), "Service web: webhook check.example.com does not answer") || !strings.Contains(webhook.Hint(), "check.example.com") {
		t.Errorf("%v", err)
	}
	if !isPassing(err) {
		t.Error("it is not asked again")
	}
	if err := c.typed(apierrors.NewInternalError(errors.New("etcd is away")), object, nil); errors.As(err, &webhook) {
		t.Errorf("no webhook: %v", err)
	}
}

// A node port that is taken is told with how to find by whom.
func TestTakenNodePort(t *testing.T) {
	t.Parallel()
	taken := apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "web", field.ErrorList{field.Invalid(field.NewPath("spec", "ports").Index(0).Child("nodePort"), 30080, "provided port is already allocated")})
	err := (&Client{}).typed(taken, Ref{APIVersion: "v1", Kind: "Service", Name: "web"}, nil)
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Hint(), "kubectl get services --all-namespaces") {
		t.Errorf("%v", err)
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonInvalid {
		t.Errorf("%v", err)
	}
}
