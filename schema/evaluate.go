package schema

import (
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"github.com/shipit-dev/shipit/schema/rule"
	"golang.org/x/sync/errgroup"
)

// evaluation is that of a project's instance in an environment.
type evaluation struct {
	project Project
	inst    *build.Instance
	files   []*ast.File // of inst: those of the user
	env     environment

	loc        *locator
	ignored    *ignores
	check      *checker
	translator *translator

	value   cue.Value
	nowhere Errors // references that lead nowhere, which value is without
	invalid error  // what else CUE finds wrong with value
}

// evaluate is load for an instance with or without the schema. Without it, refused
// are the errors with it, where these matter: only fields that are among them are
// really not allowed by a definition.
func (p Project) evaluate(inst *build.Instance, env environment, refused Errors) (*App, error) {
	e := &evaluation{project: p, inst: inst, files: slices.Clip(inst.Files), env: env}
	if err := e.build(); err != nil {
		return nil, err
	}
	if errs := e.noApp(); errs != nil {
		return nil, errs.sorted()
	}
	b, tree, errs := e.read()
	e.check.app(tree)
	errs = slices.DeleteFunc(errs, func(err *Error) bool {
		return err.Code == rule.UnknownField && (refused != nil && !refused.unknown(err.Path) || e.check.errs.unknown(err.Path))
	})
	d := &decoder{project: p, loc: e.loc}
	app := d.app(tree)
	app.ignores = e.ignored
	errs = tolerate(slices.Concat(errs, e.check.errs, app.Silence(d.errs)), tree, env)
	if len(errs) == 0 && e.invalid != nil {
		if errs = refused; errs == nil {
			errs = e.translator.translateAnyway(e.invalid)
		}
	}
	if e.nowhere != nil {
		errs = withoutConsequencesOf(e.nowhere, errs)
		errs = append(errs, explained(e.nowhere, errs)...)
	}
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	app.Dir = p.Dir
	app.Source, _, _ = strings.Cut(inst.Module, "@")
	app.positions = b.positions
	maps.Copy(app.positions, d.places)
	app.Warnings = slices.Concat(p.unread(inst), p.stale(), p.ownServices(e.files), e.loc.optional(b.positions), d.warnings, e.ignored.bad())
	for _, w := range app.Warnings {
		_ = ruled(w) // the same one
	}
	app.Warnings = app.Silence(app.Warnings)
	return app, nil
}

// build has CUE evaluate the instance with the environment filled in. What CUE is
// not needed for happens meanwhile.
func (e *evaluation) build() error {
	if err := e.env.add(e.project, e.inst); err != nil {
		return err
	}
	var reading errgroup.Group
	reading.Go(func() error {
		e.loc, e.ignored = newLocator(e.project, e.inst, e.env), newIgnores(e.project, e.inst)
		return nil
	})
	reading.Go(func() (err error) {
		e.check, err = newChecker()
		return err
	})
	e.value = cuecontext.New().BuildInstance(e.inst)
	if err := reading.Wait(); err != nil {
		return err
	}
	e.check.loc = e.loc
	e.translator = &translator{project: e.project, inst: e.inst, loc: e.loc, shapes: e.check.shapes}
	if e.nowhere = e.translator.nowhere(e.value.Err(), e.files); e.nowhere != nil {
		e.inst.Err = nil // that of the first time
		e.value = cuecontext.New().BuildInstance(e.inst)
	}
	e.invalid = validate(e.value, e.env)
	if e.invalid == nil || len(e.env.fields) == 0 {
		return nil
	}
	// Filled in field by field, each is told with what is wrong with it.
	e.inst.Files = e.files
	if err := (environment{name: e.env.name}).add(e.project, e.inst); err != nil {
		return err
	}
	e.value = e.env.fill(cuecontext.New().BuildInstance(e.inst))
	return nil
}

// noApp gives what is wrong where the value is no App whose fields can be read.
func (e *evaluation) noApp() Errors {
	err := e.value.Err()
	broken := err != nil && e.value.IncompleteKind() == cue.BottomKind && !childrenOnly(e.value)
	switch {
	case !broken && isApp(e.value):
		return nil
	case e.nowhere != nil:
		return e.nowhere
	case broken:
		return e.translator.translate(err)
	}
	return e.translator.notApp(e.value)
}

// isApp reports whether a value has v1.#App in it.
func isApp(value cue.Value) bool {
	return value.LookupPath(cue.MakePath(cue.Hid("_schema", importPath))).Exists()
}

// read takes the value apart, and gives what CUE finds wrong with it.
func (e *evaluation) read() (*treeBuilder, *node, Errors) {
	b := newTreeBuilder(e.loc)
	b.whole = e.invalid == nil
	var errs Errors
	if e.invalid != nil {
		e.translator.tolerates = e.env.tolerates
		errs = e.translator.translate(e.value.Validate(cue.Concrete(true)))
		for _, err := range errs {
			b.broken[err.Path] = true
		}
	}
	tree := b.tree(e.value, "", "")
	for _, err := range b.errs {
		errs = append(errs, e.translator.translate(err)...)
	}
	return b, tree, e.translator.circles(dropConsequences(errs))
}

// unknown reports whether one of errors is about an unknown field at a path.
func (e Errors) unknown(path string) bool {
	return slices.ContainsFunc(e, func(e *Error) bool { return e.Code == rule.UnknownField && e.Path == path })
}
