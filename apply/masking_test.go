package apply

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// Whatever the API server quotes of a Secret, wanted or there, is masked, and the error
// is of the kind that it was.
func TestErrorsAreMasked(t *testing.T) {
	t.Parallel()
	const wanted, there = `hunter2 "and" more`, "the-live-value"
	in64 := func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	ref := Ref{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "db"}
	live := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db"}, "data": map[string]any{"password": in64(there)},
	}}
	refused := func(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
		}}
	}
	for name, tt := range map[string]struct {
		err  error
		kind any
	}{
		"a policy": {refused(422, metav1.StatusReasonInvalid, fmt.Sprintf(
			"secrets \"db\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no %s for %s", in64(wanted), in64(there))), new(*DeniedError)},
		"a webhook": {refused(400, metav1.StatusReasonBadRequest, fmt.Sprintf(
			`admission webhook "w.example" denied the request: {"data":{"password":"%s"}} %q`, in64(wanted), wanted)), new(*DeniedError)},
		"validation": {refused(422, metav1.StatusReasonInvalid, fmt.Sprintf("Secret \"db\" is invalid: data: Invalid value: %q", wanted),
			metav1.StatusCause{Field: "data", Message: fmt.Sprintf("Invalid value: %q", wanted)}), new(*InvalidError)},
		"a conflict": {refused(409, metav1.StatusReasonConflict, "Apply failed with 1 conflict",
			metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: ".data.password", Message: `conflict with "kubectl-edit" using v1`}), new(*ConflictError)},
		"a server error": {refused(500, metav1.StatusReasonInternalError, "converting "+url.QueryEscape(wanted)), new(*apierrors.StatusError)},
		"no answer":      {&url.Error{Op: "Patch", URL: "https://a/?q=" + url.QueryEscape(wanted), Err: errors.New("dialing " + wanted)}, new(*UnreachableError)},
		"joined":         {errors.Join(errors.New("first"), errors.New("then "+there)), new(error)},
	} {
		c, err := New(&rest.Config{Host: "https://a"}, Owner{App: "shop", Namespace: "shop"})
		must(t, err)
		c.knowSecrets(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "stringData": map[string]any{"password": wanted}}})
		got := c.typed(tt.err, ref, live)
		if !errors.As(got, tt.kind) {
			t.Errorf("%s: it is a %T", name, got)
		}
		res, err := c.maskedResult(&Result{Units: []UnitResult{{Objects: []ObjectResult{{Err: tt.err}}}}}, fmt.Errorf("the way back: %w", tt.err))
		for _, said := range []string{
			got.Error(), fmt.Sprintf("%+v", errors.Unwrap(got)), err.Error(), res.Units[0].Objects[0].Err.Error(),
			c.maskedEvent(Event{Err: tt.err, Message: tt.err.Error(), Diagnosis: &Diagnosis{Logs: []string{tt.err.Error()}}}).Message,
			jsonText(t, c.outcomeRecord(&Result{Units: []UnitResult{{Objects: []ObjectResult{{Action: ActionUpdate, Err: tt.err}}, Diagnosis: &Diagnosis{Message: tt.err.Error()}}}}, tt.err)),
		} {
			for _, secret := range []string{wanted, there, in64(wanted), in64(there), "hunter2"} {
				if strings.Contains(said, secret) {
					t.Errorf("%s: %q is in %s", name, secret, said)
				}
			}
		}
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	return fmt.Sprint(jsonOf(t, v))
}

// What a kubeconfig authenticates with is not told, though it is part of the address.
func TestAddressesAreMasked(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"https://ann:hunter2hunter2@127.0.0.1:1", "https://hunter2hunter2@127.0.0.1:1", "ann:hunter2hunter2@127.0.0.1:1", "https://ann:hunter2 hunter2@127.0.0.1:1", "https://ann:hunter2hunter2@127.0.0.1:port"} {
		c, err := New(&rest.Config{Host: host, BearerToken: "a-token-of-ann"}, Owner{App: "shop", Namespace: "shop"})
		if err == nil {
			_, err = c.core.Secrets("shop").Get(t.Context(), "a-token-of-ann", metav1.GetOptions{})
			err = c.typed(err, Ref{Kind: "Secret"}, nil)
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "token-of") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
