package schema

import (
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	cueerrors "cuelang.org/go/cue/errors"
	"github.com/shipit-dev/shipit/schema/rule"
)

// nowhere takes the references that lead nowhere out of the files of a package, so
// that what else is wrong in it can be found, and gives an error for each; none when
// that is not what is wrong with it.
func (t *translator) nowhere(err error, files []*ast.File) Errors {
	if err == nil {
		return nil
	}
	at := map[Pos]bool{}
	for _, c := range cueerrors.Errors(err) {
		if !referenceName.MatchString(c.Error()) {
			return nil
		}
		at[t.project.pos(c.Position())] = true
	}
	var names []*ast.Ident
	for _, f := range files {
		ast.Walk(f, func(n ast.Node) bool {
			if x, ok := n.(*ast.Ident); ok && x.Node == nil && at[t.project.pos(x.Pos())] {
				names = append(names, x)
			}
			return true
		}, nil)
	}
	if len(names) < len(at) {
		return nil // some are in packages that it imports
	}
	told := t.translate(err)
	for _, x := range names {
		x.Name = "_"
	}
	return told
}

// explained drops references that lead nowhere from what another error says how to
// write.
func explained(nowhere, errs Errors) Errors {
	return slices.DeleteFunc(slices.Clone(nowhere), func(n *Error) bool {
		name := strings.Trim(strings.TrimSuffix(n.Message, " is not defined"), `"`)
		return slices.ContainsFunc(errs, func(e *Error) bool {
			return e.Code == rule.WrongValue && (n.Path == e.Path || strings.HasPrefix(n.Path, e.Path+".")) && strings.Contains(e.Hint, name)
		})
	})
}

// withoutConsequencesOf drops what has no value, cannot be computed, or lacks something
// where a reference leads nowhere: perhaps because of that.
func withoutConsequencesOf(nowhere, errs Errors) Errors {
	return slices.DeleteFunc(errs, func(e *Error) bool {
		return e.Code == rule.NoValue || e.Code == rule.Evaluation ||
			e.Code == rule.MissingField && slices.ContainsFunc(nowhere, func(n *Error) bool { return n.Pos == e.Pos })
	})
}
