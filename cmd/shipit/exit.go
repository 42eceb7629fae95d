package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
)

// The exit codes, all of them.
const (
	exitDone       = 0   // done, or nothing to do
	exitError      = 1   // an error; nothing is left half-done unless it says so
	exitChanges    = 2   // --check or --exit-code found changes
	exitInvalid    = 3   // the configuration is invalid; nothing was touched
	exitRolledBack = 4   // the rollout failed, and what was there before is back
	exitFailed     = 5   // the rollout failed, and what was there before is not back
	exitLocked     = 6   // another deploy holds the lock
	exitUsage      = 64  // the command line is wrong
	exitStopped    = 130 // interrupted a second time; what was under way is left as it is
)

// usageError is a mistake in the command line itself.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (e hinted) Hint() string { return e.hint }

// outcomeError says that a deploy ended other than well. Its text was printed
// with the result.
type outcomeError struct{ outcome apply.Outcome }

func (e outcomeError) Error() string { return string(e.outcome) }

// exitCode prints what is left to say of err and maps it to a code.
func exitCode(s streams, err error) int {
	var (
		usage   usageError
		invalid schema.Errors
		outcome outcomeError
		locked  *apply.LockedError
		status  exitStatus
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &outcome):
		return outcomeCode(outcome.outcome)
	case errors.As(err, &usage):
		way := "run the command with --help to see its flags"
		if errors.As(usage.err, new(interface{ Hint() string })) {
			way = hint(usage.err) // none, when the message says all
		}
		s.fail(err, way)
		return exitUsage
	case isChoice(err):
		s.fail(err, hint(err))
		return exitUsage
	case errors.As(err, &invalid):
		s.invalid(invalid)
		return exitInvalid
	case errors.As(err, &locked):
		s.fail(err, hint(err))
		return exitLocked
	case errors.Is(err, context.Canceled):
		s.fail(errors.New("stopped"), "")
		return exitError
	}
	code := exitError
	for _, e := range each(err) {
		s.fail(e, hint(e))
		if isSource(e) {
			code = exitInvalid
		}
	}
	return code
}

// each takes apart what errors.Join put together.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// isChoice reports whether err is a service or an environment that the app does
// not have: a mistake in the command line.
func isChoice(err error) bool {
	var (
		service *deploy.UnknownServiceError
		unit    *apply.UnknownUnitError
		none    *deploy.NoEnvironmentError
		unknown *schema.UnknownEnvironmentError
		space   *deploy.NamespaceError
	)
	return errors.As(err, &space) || errors.As(err, &service) || errors.As(err, &unit) || errors.As(err, &none) || errors.As(err, &unknown)
}

// isSource reports whether err is a mistake in what the user wrote outside the
// CUE: a program that does not compile, or a reference that is none; or CUE that
// takes too much.
func isSource(err error) bool {
	var (
		compile   *registry.CompileError
		cgo       *registry.CgoError
		notMain   *registry.NotMainError
		noModule  *registry.NoModuleError
		noPackage *registry.NoPackageError
		reference *registry.BadReferenceError
		limit     *schema.LimitError
	)
	return errors.As(err, &compile) || errors.As(err, &cgo) || errors.As(err, &notMain) || errors.As(err, &noModule) ||
		errors.As(err, &noPackage) || errors.As(err, &reference) || errors.As(err, &limit)
}

// outcomeCode maps how a deploy ended to an exit code.
func outcomeCode(o apply.Outcome) int {
	switch o {
	case apply.Unchanged, apply.Deployed:
		return exitDone
	case apply.RolledBack, apply.Removed:
		return exitRolledBack
	case apply.Failed:
		return exitFailed
	}
	return exitError
}
