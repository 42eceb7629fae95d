package schema

import (
	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
)

func (p Project) loadErrors(inst *build.Instance) Errors {
	var errs Errors
	for _, e := range cueerrors.Errors(inst.Err) {
		errs = append(errs, &Error{Code: Syntax, Pos: p.pos(e.Position()), Message: e.Error(), Raw: e.Error()})
	}
	return errs
}

func (p Project) explain(opts Options, loc *locator, value cue.Value, err error) error {
	var errs Errors
	for _, e := range cueerrors.Errors(err) {
		errs = append(errs, &Error{Code: Evaluation, Pos: p.pos(e.Position()), Message: e.Error(), Raw: e.Error()})
	}
	return errs.sorted()
}
