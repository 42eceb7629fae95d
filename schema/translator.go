package schema

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// childrenOnly reports whether a value is wrong only in some of its fields.
func childrenOnly(v cue.Value) bool {
	_, err := v.Fields()
	return err == nil
}

// translator puts CUE's errors into words for people who do not know CUE.
type translator struct {
	project   Project
	inst      *build.Instance
	loc       *locator
	shapes    *language.Shapes
	tolerates func(*Error) bool // what is not to be told; nil is nothing

	read *syntax // for syntax
}

// syntax is what the project's files say.
func (t *translator) syntax() *syntax {
	if t.read == nil {
		t.read = newSyntax(t.project, t.inst)
	}
	return t.read
}

// notApp says what is wrong with a package without v1.#App.
func (t *translator) notApp(value cue.Value) Errors {
	errs := t.translate(value.Validate(cue.Concrete(true)))
	if slices.ContainsFunc(errs, func(e *Error) bool { return e.Code == rule.Reference }) {
		return errs // it may be that of v1
	}
	return t.noApp(value)
}

// translateAnyway tells of an error even when that matters nothing in this
// environment: CUE cannot leave it out.
func (t *translator) translateAnyway(err error) Errors {
	errs := t.translate(err)
	if len(errs) == 0 {
		t.tolerates = nil
		errs = t.translate(err)
	}
	return errs
}

// noApp says that a package is no App, and where one is instead.
func (t *translator) noApp(v cue.Value) Errors {
	e := &Error{
		Code:    rule.NoApp,
		Message: "this package is no App: it does not use v1.#App",
		Hint:    "import \"shipit.dev/v1\" and put everything into v1.#App & {…}",
	}
	if len(t.syntax().files) > 0 {
		e.Pos = Pos{File: t.syntax().files[0], Line: 1, Column: 1}
	}
	var object map[string]any
	if v.LookupPath(cue.ParsePath("apiVersion")).Exists() && v.LookupPath(cue.ParsePath("kind")).Exists() && v.Decode(&object) == nil {
		if p := t.loc.pos("kind", v); p.IsValid() {
			e.Pos = p
		}
		return Errors{objectAsCUE(e.Pos, object, "")}
	}
	fields, err := v.Fields(cue.Definitions(true), cue.Hidden(true))
	if err != nil {
		return Errors{e}
	}
	for fields.Next() {
		name, f := fields.Selector().String(), fields.Value()
		if p := t.loc.pos(name, f); p.IsValid() && isApp(f) {
			e.Pos = p
			e.Message = "the App is the field " + name + ", not the package itself"
			e.Hint = "write v1.#App & {…} without " + name + ": in front of it; an App has a package of its own"
			break
		}
	}
	return Errors{e}
}

// translate gives one Error for each path that CUE has errors about.
func (t *translator) translate(err error) Errors {
	if err == nil {
		return nil
	}
	var already Errors
	if errors.As(err, &already) {
		return already
	}
	type group struct {
		path string
		errs []cueerrors.Error
	}
	var groups []*group
	byPath := map[string]*group{}
	var at pathError
	errors.As(err, &at)
	for _, e := range cueerrors.Errors(err) {
		path := cmp.Or(at.path, plainPath(e.Path()))
		key := path
		if path == "" || referenceName.MatchString(e.Error()) {
			key = e.Position().String()
		}
		g := byPath[key]
		if g == nil {
			g = &group{path: path}
			byPath[key] = g
			groups = append(groups, g)
		}
		g.errs = append(g.errs, e)
	}
	var errs Errors
	for _, g := range groups {
		e := t.one(g.path, g.errs)
		if t.tolerates != nil && t.tolerates(e) {
			continue
		}
		var raw []string
		for _, c := range g.errs {
			raw = append(raw, strings.TrimSpace(cueerrors.Details(c, &cueerrors.Config{Cwd: t.project.Dir, ToSlash: true})))
		}
		e.Raw = strings.Join(raw, "\n")
		hideSecret(e)
		errs = append(errs, e)
	}
	return dropConsequences(errs)
}

// dropConsequences keeps of errors at a path and below it the lower ones, and of
// missing values that come from the same place the first.
func dropConsequences(errs Errors) Errors {
	var kept Errors
	for i, e := range errs {
		redundant := false
		for j, other := range errs {
			if i == j {
				continue
			}
			below := e.Path != "" && strings.HasPrefix(other.Path, e.Path+".")
			same := e.Code == other.Code && e.Pos == other.Pos && saying(e) == saying(other) && j < i
			redundant = redundant || below || same
		}
		if !redundant {
			kept = append(kept, e)
		}
	}
	return kept
}

// saying is the message, without the path that came upon a reference to nowhere.
func saying(e *Error) string {
	if e.Code == rule.Reference {
		return strings.TrimPrefix(e.Message, e.Path)
	}
	return e.Message
}

// plainPath joins a path as CUE gives it, without the quotes of its labels.
func plainPath(path []string) string {
	plain := make([]string, len(path))
	for i, label := range path {
		plain[i] = strings.Trim(label, `"`)
	}
	return strings.Join(plain, ".")
}

// places gives where an error of CUE's is, the most telling place first: only
// what the user wrote, and of that values rather than what surrounds them.
func (t *translator) places(path string, errs []cueerrors.Error) []Pos {
	var values, others []Pos
	for _, e := range errs {
		for _, tp := range cueerrors.Positions(e) {
			p := t.project.pos(tp)
			if at, ok := t.syntax().clauses[p]; ok && !strings.Contains(e.Error(), "conflicting values") {
				return []Pos{at, p} // there it is decided which fields there are
			}
			if at, ok := t.syntax().choices[p]; ok {
				p = at
			}
			switch {
			case !p.IsValid() || slices.Contains(values, p) || slices.Contains(others, p):
			case t.syntax().values[p] != nil:
				values = append(values, p)
			default:
				others = append(others, p)
			}
		}
	}
	slices.SortFunc(values, Pos.compare)
	all := values
	if len(values) == 0 {
		all = others
		if p := t.loc.nearest(path); p.IsValid() && path != "" {
			all = slices.Insert(all, 0, p)
		}
	}
	if len(all) == 0 {
		all = []Pos{t.loc.nearest(path)}
	}
	return all
}

// subject names what an error is about.
func subject(path string) string { return cmp.Or(path, "the App") }
