package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

// Code names a kind of Error, for programs that read errors: the rule of the language
// itself that it breaks, or rule.Contradicts.
type Code string

// Error is one thing that the user wrote wrong.
type Error struct {
	Code Code `json:"code"` // what kind of error
	// Rule is the name of the check that found it, as in package rule. Of a policy it
	// is "policy/NAME". A comment `// shipit:ignore RULE reason` at the end of its
	// line, or on the line above, silences it.
	Rule     string        `json:"rule"`
	Severity rule.Severity `json:"severity"`          // rule.Error or rule.Warning
	Pos      Pos           `json:"position,omitzero"` // where; may be unknown
	Path     string        `json:"path,omitempty"`    // the value concerned, such as "services.web.replicas"
	Message  string        `json:"message"`           // what is wrong, in one line
	Why      string        `json:"why,omitempty"`     // why that is so
	Hint     string        `json:"hint,omitempty"`    // what to write or do instead
	Related  []Pos         `json:"related,omitempty"` // other places that matter, such as the other one of two values
	Raw      string        `json:"raw,omitempty"`     // CUE's own words

	// Environments are those that it occurs in, of several that were loaded; nil
	// is all of them.
	Environments []string `json:"environments,omitempty"`
}

// Error gives the place and the message, with the environments.
func (e *Error) Error() string {
	if e.Pos.IsValid() {
		return e.Pos.String() + ": " + e.Message + e.where()
	}
	return e.Message + e.where()
}

// Text gives the whole error for a person: the place and the message, then an
// indented line each for why, the other places, and the hint.
func (e *Error) Text() string {
	var b strings.Builder
	b.WriteString(e.Error())
	if e.Why != "" {
		b.WriteString("\n    " + e.Why)
	}
	for _, p := range e.Related {
		b.WriteString("\n    also: " + p.String())
	}
	if e.Hint != "" {
		b.WriteString("\n    hint: " + e.Hint)
	}
	return b.String()
}

// Errors are all that is wrong with a project, sorted by position, each once.
type Errors []*Error

// Error gives one line per error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// Join gives several errors of type Errors as one, or the first that is of another
// type. Nil ones are passed over; when all are nil, so is what it gives.
func Join(errs ...error) error {
	var all Errors
	for _, err := range errs {
		var told Errors
		switch {
		case errors.As(err, &told):
			all = append(all, told...)
		case err != nil:
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all.sorted()
}

// sorted gives the errors by position, those without one first, each once. What
// a template or a comprehension does wrong is told for the first of the values
// it makes, with the number of the others.
func (e Errors) sorted() Errors {
	e = slices.Clone(e)
	for _, err := range e {
		_ = ruled(err) // the same one
	}
	slices.SortStableFunc(e, inOrder)
	// What an environment says is told as the App's, when it is the chosen one.
	slices.SortStableFunc(e, func(a, b *Error) int {
		switch of := ofEnvironments(a); {
		case a.Pos.compare(b.Pos) != 0 || of == ofEnvironments(b):
			return a.Pos.compare(b.Pos)
		case of:
			return 1
		}
		return -1
	})
	type key struct {
		pos   Pos
		code  Code
		field string
		hint  string
	}
	first := map[key]*Error{}
	more := map[*Error]int{}
	e = slices.DeleteFunc(e, func(err *Error) bool {
		hint := err.Hint
		if err.Code == rule.WrongValue {
			hint = "" // of each of the values that one expression gives
		}
		k := key{err.Pos, err.Code, err.Path[strings.LastIndexByte(err.Path, '.')+1:], hint}
		known := first[k]
		switch {
		case !err.Pos.IsValid() || known == nil || known.Path == err.Path && known.Message != err.Message:
			first[k] = err
			return false
		case known.Path != err.Path && !ofEnvironments(err):
			more[known]++
		}
		return true
	})
	for i, err := range e {
		if n := more[err]; n > 0 {
			told := *err
			told.Message += fmt.Sprintf(" (and %d more like it)", n)
			e[i] = &told
		}
	}
	return e
}

func ofEnvironments(e *Error) bool { return strings.HasPrefix(e.Path, "environments.") }

// inOrder compares errors by where they are.
func inOrder(a, b *Error) int {
	return cmp.Or(a.Pos.compare(b.Pos), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Module, q.Module), cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// ruled gives an error what follows from its rule, or the rule from its code.
func ruled(e *Error) *Error {
	if e.Rule == "" {
		e.Rule = string(e.Code)
	}
	r, _ := rule.Named(e.Rule)
	if e.Code == "" {
		e.Code = Code(r.Kind)
	}
	if e.Severity == "" {
		e.Severity = r.Severity
	}
	if e.Severity == "" {
		e.Severity = rule.Error
	}
	return e
}
