package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/apply"
)

// action is what a command does to an app, in its own words.
type action string

const (
	deploying   action = "deploy"
	rollingBack action = "rollback"
	deleting    action = "deletion"
)

// again is what to do about one that was left half-way.
func (a action) again() string {
	switch a {
	case rollingBack:
		return "run the same command again: it finishes this rollback"
	case deleting:
		return "run the same command again: it removes the rest"
	}
	return "run the same command again: it finishes or replaces this deploy"
}

// half says what is left when it is ended at once, with these services begun.
func (a action) half(begun []string) string {
	left := "nothing of it was done yet"
	if len(begun) > 0 {
		left = strings.Join(begun, ", ") + " may be left half-way"
	}
	return fmt.Sprintf("%s. shipit status shows what is there; to go on, %s", left, a.again())
}

// settled says what is left when only the result was still to be printed.
func (a action) settled() string {
	return fmt.Sprintf("the %s had ended, and is recorded: shipit status shows what is there", a)
}

// ending says in one sentence in which state an action left things. made is the
// namespace that it made, if it did.
func (s streams) ending(what action, r *apply.Result, err error, made string) {
	failed := "failed"
	if r.Interrupted && len(r.Diagnoses()) == 0 {
		failed = "was stopped"
	}
	switch {
	case r.Outcome == apply.RolledBack:
		s.fail(fmt.Errorf("the %s %s; what was there before is back and healthy (%s)", what, failed, short(r.Took)), "")
	case r.Outcome == apply.Removed:
		left := ""
		if made != "" {
			left = fmt.Sprintf("; namespace %s stays, with the record of it, until shipit delete", made)
		}
		s.fail(fmt.Errorf("the first deploy %s, and what it had made is removed%s (%s)", failed, left, short(r.Took)), "")
	case r.Outcome == apply.Interrupted:
		s.fail(unsaid(fmt.Sprintf("the %s was stopped half-way", what), err), what.resume(err))
	case what == deleting:
		s.failed(r, unsaid("not everything was removed", err), way(err))
	default:
		left := "was left as it is"
		if slices.ContainsFunc(r.Units, func(u apply.UnitResult) bool { return u.Outcome == apply.RolledBack || u.Outcome == apply.Removed }) {
			left = "not everything is back"
		}
		s.failed(r, unsaid(fmt.Sprintf("the %s %s and %s", what, failed, left), err), way(err))
	}
}

// resume is how to go on after err left an action half-way: what keeps it from
// being done again comes first.
func (a action) resume(err error) string {
	var reach *apply.UnreachableError
	var lost *apply.LockLostError
	switch way := way(err); {
	case way != "":
		return way + "; then " + a.again()
	case errors.As(err, &reach):
		return "when the API server answers again, " + a.again()
	case errors.As(err, &lost):
		return "shipit status shows whether somebody else went on from there; if not, " + a.again()
	}
	return a.again()
}

// way is the way out of credentials that end, or do not suffice, on the way, and of
// what is left in place; "" of all else, of which the ending says enough.
func way(err error) string {
	var auth *apply.UnauthorizedError
	var forbidden *apply.ForbiddenError
	var left *apply.LeftError
	switch {
	case errors.As(err, &left):
		return hint(left)
	case errors.As(err, &auth):
		return hint(auth)
	case errors.As(err, &forbidden):
		return hint(forbidden)
	}
	return ""
}

// failed prints why an action failed, and which of its objects were not written.
func (s streams) failed(r *apply.Result, failure error, way string) {
	s.fail(failure, way)
	for _, u := range r.Units {
		said := failure.Error()
		if u.Diagnosis != nil {
			said += u.Diagnosis.Message
		}
		for _, o := range u.Objects {
			if o.Done || o.Action == apply.ActionUnchanged {
				continue
			}
			line := fmt.Sprintf("%s: %s was not done", o.Object, o.Action)
			if o.Err != nil {
				if why := strings.TrimPrefix(o.Err.Error(), o.Object.String()+": "); !strings.Contains(said, why) {
					line += ": " + why
				}
			}
			s.note("  %s", line)
		}
	}
}

// unsaid is how an action ended, with what of err was not printed as the diagnosis
// of a service already.
func unsaid(ending string, err error) error {
	var rollout *apply.RolloutError
	if errors.As(err, &rollout) && len(rollout.Diagnoses) > 0 {
		err = rollout.Err
	}
	if err == nil {
		return errors.New(ending)
	}
	return fmt.Errorf("%s: %w", ending, err)
}
