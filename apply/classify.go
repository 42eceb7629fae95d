package apply

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/shipit-dev/shipit/apply/health"
)

// rbacDenial is how the API server's RBAC words a refusal; admission uses the
// same status code with other words.
var rbacDenial = regexp.MustCompile(`User "([^"]*)" cannot ([a-z]+) resource "([^"]*)"(?: in API group "([^"]*)")?(?: in the namespace "([^"]*)")?`)

// immutable is how the API server says of which fields it takes no change: in
// general, of a Service's address, of a claim, and of a StatefulSet, whose field it
// does not name.
var immutable = []string{"field is immutable", "may not change once set", "is immutable after creation", "updates to statefulset spec for fields other than"}

// typed turns what a request returned into this package's errors, without the
// values of secrets. object says what was tried; live, which may be nil, is the object
// as it was.
func (c *Client) typed(err error, object Ref, live *unstructured.Unstructured) error {
	if err == nil {
		return nil
	}
	if live != nil {
		c.knowSecrets(live)
	}
	return c.masked(c.classified(err, object, live))
}

func (c *Client) classified(err error, object Ref, live *unstructured.Unstructured) error {
	var status apierrors.APIStatus
	var plugin *PluginError
	switch {
	case errors.As(err, &plugin):
		return &UnreachableError{Host: c.host, Err: plugin}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !isNetwork(err):
		return err
	case !errors.As(err, &status):
		if isNetwork(err) {
			return &UnreachableError{Host: c.host, Err: rootCause(err)}
		}
		return err
	case health.IsDenial(err.Error()): // with the status code of its choice
		return &DeniedError{Object: object, Reason: health.Denial(err.Error()), Err: err}
	case apierrors.IsUnauthorized(err):
		return &UnauthorizedError{Host: c.host, Err: err}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return &TerminatingError{Namespace: c.owner.Namespace}
	case apierrors.IsForbidden(err):
		if m := rbacDenial.FindStringSubmatch(err.Error()); m != nil {
			f := &ForbiddenError{User: m[1], Verb: m[2], Resource: m[3], Namespace: m[5], Name: object.Name, Err: err}
			if m[4] != "" {
				f.Resource += "." + m[4]
			}
			return f
		}
		return &DeniedError{Object: object, Reason: health.Denial(err.Error()), Err: err}
	case apierrors.IsConflict(err):
		if conflict := conflictOf(status.Status(), object, live); conflict != nil {
			return conflict
		}
		return err
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		invalid := &InvalidError{Object: object, Err: err}
		if d := status.Status().Details; d != nil && len(d.Causes) > 0 {
			invalid.Field = d.Causes[0].Field
			invalid.Immutable = slices.ContainsFunc(immutable, func(words string) bool { return strings.Contains(d.Causes[0].Message, words) })
		}
		return invalid
	}
	if down := webhookDown(err, object); down != nil {
		return down
	}
	return err
}

func conflictOf(s metav1.Status, object Ref, live *unstructured.Unstructured) error {
	if s.Details == nil {
		return nil
	}
	var found *ConflictError
	for _, cause := range s.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		if found != nil {
			found.Others++
			continue
		}
		found = &ConflictError{Object: object, Field: cause.Field, Manager: quoted(cause.Message)}
		if live == nil {
			continue
		}
		if plain := strings.TrimPrefix(cause.Field, "."); !strings.Contains(plain, "[") && !isSecret(live) {
			found.Value, _, _ = unstructured.NestedFieldNoCopy(live.Object, strings.Split(plain, ".")...)
		}
		for _, f := range live.GetManagedFields() {
			if f.Manager == found.Manager && f.Time != nil {
				found.Time = f.Time.Time
			}
		}
	}
	if found == nil {
		return nil
	}
	return found
}

// conflictFields returns every field that a refused apply named.
func conflictFields(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			out = append(out, cause.Field)
		}
	}
	return out
}

// quoted returns the first quoted word of s: `conflict with "kubectl" using v1`.
func quoted(s string) string {
	_, rest, ok := strings.Cut(s, `"`)
	if !ok {
		return s
	}
	word, _, _ := strings.Cut(rest, `"`)
	return word
}

// isNetwork reports whether err means that no answer came, so that it is not
// known whether the request was done.
func isNetwork(err error) bool {
	var ne net.Error
	var ue *url.Error
	return errors.As(err, &ne) || errors.As(err, &ue) || utilnet.IsConnectionRefused(err) ||
		utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}

// isTransient reports whether the same request may succeed a moment later.
func isTransient(err error) bool {
	var unseen *unseenRoleError
	var relearning *relearningError
	return errors.As(err, &unseen) || errors.As(err, &relearning) || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsInternalError(err) && !health.IsDenial(err.Error()) || apierrors.IsTimeout(err) || isContended(err) ||
		apierrors.IsUnauthorized(err) || // credentials are renewed after that
		apierrors.IsForbidden(err) && strings.Contains(err.Error(), notYetReady)
}

// isContended reports whether too many wrote the same object at once, such as a
// quota that counts what all of them make: nobody said that it must be as it was
// read.
func isContended(err error) bool {
	return apierrors.IsConflict(err) && strings.Contains(err.Error(), "the object has been modified")
}

func rootCause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
