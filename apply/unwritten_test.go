package apply

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A write that failed is named by what the API server gave as its reason: only
// what admission refused is denied by admission.
func TestWriteCode(t *testing.T) {
	t.Parallel()
	c := &Client{host: "https://a", owner: Owner{App: "shop", Namespace: "shop"}}
	r := schema.GroupResource{Group: "apps", Resource: "deployments"}
	gk := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	terminating := apierrors.NewForbidden(r, "web", errors.New("unable to create new content"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	conflict := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "kubectl"`}}, "conflict")
	for name, tt := range map[string]struct {
		err  error
		want Code
	}{
		"expired credentials":           {apierrors.NewUnauthorized("Unauthorized"), CodeUnauthorized},
		"a role that does not allow it": {apierrors.NewForbidden(r, "web", errors.New(`User "dev" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`)), CodeForbidden},
		"pod security":                  {apierrors.NewForbidden(r, "web", errors.New(`violates PodSecurity "restricted:latest"`)), CodeAdmissionDenied},
		"a webhook that denies with a status of its own": {&apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 401, Reason: metav1.StatusReasonUnauthorized,
			Message: `admission webhook "a.example.com" denied the request: no`}}, CodeAdmissionDenied},
		"a plain 500":              {apierrors.NewInternalError(errors.New("boom")), CodeServerError},
		"a webhook that is down":   {apierrors.NewInternalError(errors.New(`failed calling webhook "a.example.com"`)), CodeServerError},
		"a 503":                    {apierrors.NewServiceUnavailable("down"), CodeServerError},
		"a 504":                    {apierrors.NewTimeoutError("slow", 1), CodeServerError},
		"a 429":                    {apierrors.NewTooManyRequests("busy", 1), CodeServerError},
		"a namespace that is gone": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), CodeServerError},
		"a namespace that goes":    {terminating, CodeTerminating},
		"a value it does not take": {apierrors.NewInvalid(gk, "web", nil), CodeInvalid},
		"a body it does not read":  {apierrors.NewBadRequest("no"), CodeInvalid},
		"an object too large":      {apierrors.NewRequestEntityTooLargeError("large"), CodeInvalid},
		"another manager":          {conflict, CodeConflict},
		"somebody was faster":      {apierrors.NewConflict(r, "web", errors.New("the object has been modified")), CodeConflict},
		"somebody made it":         {apierrors.NewAlreadyExists(r, "web"), CodeConflict},
		"the time is up":           {context.DeadlineExceeded, CodeDeadlineExceeded},
		"something else":           {errors.New("something else"), CodeServerError},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("at last: %w", tt.err)} {
			ch := &change{unit: "web", ref: Ref{Kind: "Deployment", Name: "web", Namespace: "shop"}, err: c.typed(err, Ref{Kind: "Deployment", Name: "web", Namespace: "shop"}, nil)}
			got := denialOr(ch)
			if got.Code != tt.want {
				t.Errorf("%s: %s, want %s (%v)", name, got.Code, tt.want, err)
			}
			if got.Unit != "web" || got.Message == "" {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

// denialOr diagnoses a change as blame does.
func denialOr(ch *change) *Diagnosis {
	if isDenied(ch.err) {
		return denials([]*change{ch})[0]
	}
	return diagnoseWrite(ch)
}
