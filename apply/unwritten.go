package apply

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// diagnoseWrite says why an object could not be written.
func diagnoseWrite(ch *change) *Diagnosis {
	d := &Diagnosis{Unit: ch.unit, Object: ch.ref, Code: writeCode(ch.err), Message: ch.err.Error()}
	var secret *SecretNotMadeError
	if errors.As(ch.err, &secret) {
		d.Field = "secrets"
	}
	var hinter interface{ Hint() string }
	if errors.As(ch.err, &hinter) {
		d.Hint = hinter.Hint()
	}
	return d
}

// writeCode names the cause of a write that failed, by the type of its error, or by
// the reason that the API server gave.
func writeCode(err error) Code {
	var (
		secret       *SecretNotMadeError
		conflict     *ConflictError
		notOurs      *NotOursError
		forbidden    *ForbiddenError
		unauthorized *UnauthorizedError
		invalid      *InvalidError
		denied       *DeniedError
		terminating  *TerminatingError
		deleting     *DeletingError
	)
	switch {
	case errors.As(err, &secret):
		return CodeConfigMissing
	case errors.As(err, &conflict), errors.As(err, &notOurs), apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return CodeConflict
	case errors.As(err, &denied):
		return CodeAdmissionDenied
	case errors.As(err, &unauthorized):
		return CodeUnauthorized
	case errors.As(err, &forbidden):
		return CodeForbidden
	case errors.As(err, &invalid) && invalid.Immutable:
		return CodeImmutable
	case errors.As(err, &invalid), apierrors.IsRequestEntityTooLargeError(err):
		return CodeInvalid
	case errors.As(err, &terminating):
		return CodeTerminating
	case errors.As(err, &deleting), isUnreachable(err), errors.Is(err, context.DeadlineExceeded):
		return CodeDeadlineExceeded
	}
	return CodeServerError
}
