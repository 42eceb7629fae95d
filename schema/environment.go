package schema

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// UnknownEnvironmentError is an environment that an App does not have.
type UnknownEnvironmentError struct {
	Name  string
	Known []string // those that it has, sorted
}

func (e *UnknownEnvironmentError) Error() string {
	return fmt.Sprintf("there is no environment %q", e.Name)
}

// Hint says which there are.
func (e *UnknownEnvironmentError) Hint() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("this project has no environments: leave it out, or write environments: %s: {…}", cmp.Or(nameFrom(e.Name), "prod"))
	}
	if near := nearestName(e.Name, e.Known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "the environments are " + strings.Join(e.Known, ", ")
}

// environment is one of an App's, with those of its fields that are combined
// with the App's fields of the same names.
type environment struct {
	name   string
	fields []string
}

// fills are the fields of an environment that the App has too, and their kind.
var fills = []struct {
	name string
	kind cue.Kind
}{
	{"namespace", cue.StringKind},
	{"registry", cue.StringKind},
	{"labels", cue.StructKind},
	{"annotations", cue.StructKind},
	{"namespaceLabels", cue.StructKind},
	{"namespaceAnnotations", cue.StructKind},
	{"quota", cue.StructKind},
	{"monitoring", cue.StringKind},
	{"kubernetes", cue.StringKind},
	{"ttl", cue.StringKind},
	{"crds", cue.StringKind},
	{"limits", cue.StructKind},
	{"objects", cue.StructKind},
	{"policy", cue.StructKind},
	{"network", cue.StructKind},
	{"gateways", cue.StructKind},
	{"services", cue.StructKind},
}

// add puts a file into a project that fills the environment in: as references, its
// values are part of the App before it is evaluated, and whatever refers to a value
// sees the environment's. They are in a struct of their own, so that no file of the
// project can refer to what it does not say itself. The file's place is with the
// schema, as nobody wrote it.
func (e environment) add(p Project, inst *build.Instance) error {
	var b strings.Builder
	name := literal.String.Quote(e.name)
	fmt.Fprintf(&b, "package %s\n{\n\tenvironment: %s\n", inst.PkgName, name)
	if len(e.fields) > 0 {
		fmt.Fprintf(&b, "\tenvironments: %s: _\n", name)
	}
	for _, f := range e.fields {
		fmt.Fprintf(&b, "\t%s: environments[%s].%s\n", f, name, f)
	}
	b.WriteString("}\n")
	f, err := parser.ParseFile(filepath.Join(p.Root, filepath.FromSlash(vendorDir), "environment.cue"), b.String())
	if err != nil {
		return err
	}
	return inst.AddSyntax(f)
}

// path is where the environment is written, or "" for none.
func (e environment) path() string {
	if e.name == "" {
		return ""
	}
	return language.Join("environments", e.name)
}

// filled reports whether path is a value that the App's value of the same name
// has in it, so that all there is to say about it is said there.
func (e environment) filled(path string) bool {
	rest, ok := strings.CutPrefix(path, e.path()+".")
	if !ok || e.name == "" {
		return false
	}
	field, _, _ := strings.Cut(rest, ".")
	return slices.Contains(e.fields, field)
}

// tolerates reports whether an error matters nothing in this environment: it is
// told of the App's own value, or about what is missing in another environment,
// or in parts of services, which make sense only together with the rest.
func (e environment) tolerates(err *Error) bool {
	parts := strings.Split(err.Path, ".")
	if parts[0] != "environments" || len(parts) < 3 {
		return false
	}
	return e.filled(err.Path) || parts[2] == "services" && len(parts) > 4 ||
		parts[1] != e.name && err.Code == rule.NoValue
}

// fill combines an evaluated App with the environment, where add cannot: with an
// error inside of the environment, all that add refers to is that error, and nothing
// says where it is.
func (e environment) fill(app cue.Value) cue.Value {
	env, _ := app.LookupPath(cue.MakePath(cue.Str("environments"), cue.Str(e.name))).Default()
	for _, f := range e.fields {
		app = app.FillPath(cue.ParsePath(f), env.LookupPath(cue.ParsePath(f)))
	}
	return app
}

// Environments gives the names of the environments that the App in dir has,
// sorted. It does not evaluate services.
func Environments(ctx context.Context, dir string, opts Options) ([]string, error) {
	p, err := find(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	envs, err := within(ctx, p, opts.Limits, func() ([]environment, error) {
		inst, errs := p.instance(opts)
		if errs != nil {
			return nil, errs.sorted()
		}
		envs, known, err := p.environments(opts, inst)
		if err == nil && !known {
			_, err = p.load(opts, inst, environment{})
		}
		return envs, err
	})
	return environmentNames(envs), err
}

func environmentNames(envs []environment) []string {
	names := make([]string, len(envs))
	for i, e := range envs {
		names[i] = e.name
	}
	return names
}

// choose gives the environment that opts ask for. When it gives an error, inst may
// be used up.
func (p Project) choose(opts Options, inst *build.Instance) (environment, error) {
	if opts.Environment == "" {
		return environment{}, nil
	}
	envs, known, err := p.environments(opts, inst)
	if err != nil {
		return environment{}, err
	}
	for _, e := range envs {
		if e.name == opts.Environment {
			return e, nil
		}
	}
	if !known {
		if _, err := p.load(opts, inst, environment{}); err != nil {
			return environment{}, err
		}
	}
	return environment{}, &UnknownEnvironmentError{opts.Environment, environmentNames(envs)}
}

// environments gives those of the App by name, and whether they are known: they
// are not when the App is wrong in a way that leaves them open.
func (p Project) environments(opts Options, inst *build.Instance) (envs []environment, known bool, err error) {
	if envs, ok := writtenEnvironments(inst.Files); ok {
		return envs, true, nil
	}
	return p.evaluatedEnvironments(opts)
}

// evaluatedEnvironments is environments as CUE tells.
func (p Project) evaluatedEnvironments(opts Options) (envs []environment, known bool, err error) {
	// First without what the services are, which is almost all there is to
	// evaluate, and with it only when the environments depend on that.
	for _, bare := range []bool{true, false} {
		inst, errs := p.instance(opts)
		if errs != nil {
			return nil, false, errs.sorted()
		}
		if bare {
			for _, f := range inst.Files {
				withoutServices(f.Decls)
			}
		}
		value := cuecontext.New().BuildInstance(inst)
		if envs, known = readEnvironments(value); known {
			return envs, true, nil
		}
	}
	return nil, false, nil
}

func readEnvironments(value cue.Value) (envs []environment, known bool) {
	v := value.LookupPath(cue.ParsePath("environments"))
	if !v.Exists() {
		return nil, value.Err() == nil && isApp(value)
	}
	fields, err := v.Fields()
	if err != nil {
		return nil, false
	}
	for _, e := range cueerrors.Errors(v.Err()) {
		if len(e.Path()) < 2 {
			return nil, false // not of one environment, but of which there are
		}
	}
	for fields.Next() {
		if fields.Selector().LabelType() != cue.StringLabel {
			return nil, false // a list that has something wrong in it
		}
		if fields.Selector().ConstraintType() != 0 {
			continue // it is only demanded
		}
		e := environment{name: fields.Selector().Unquoted()}
		env, _ := fields.Value().Default()
		for _, f := range fills {
			v := env.LookupPath(cue.ParsePath(f.name))
			// A wrong kind is told where it is written, not as a conflict.
			if kind := v.IncompleteKind(); v.Exists() && (kind == cue.BottomKind || kind&f.kind != 0) {
				e.fields = append(e.fields, f.name)
			}
		}
		envs = append(envs, e)
	}
	slices.SortFunc(envs, func(a, b environment) int { return cmp.Compare(a.name, b.name) })
	return envs, true
}

// withoutServices replaces the App's services by _.
func withoutServices(decls []ast.Decl) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if name, _, err := ast.LabelName(d.Label); err == nil && name == "services" {
				d.Value = ast.NewIdent("_")
			}
		case *ast.EmbedDecl:
			withoutServicesIn(d.Expr)
		case *ast.Comprehension:
			withoutServicesIn(d.Value)
		}
	}
}

func withoutServicesIn(x ast.Expr) {
	switch x := x.(type) {
	case *ast.StructLit:
		withoutServices(x.Elts)
	case *ast.ParenExpr:
		withoutServicesIn(x.X)
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			withoutServicesIn(x.X)
			withoutServicesIn(x.Y)
		}
	}
}

// ownServices warns of environments that go through their own services, which
// are those that the environment itself names, where the App's were meant.
func (p Project) ownServices(files []*ast.File) []*Error {
	var warnings []*Error
	inServices := func(env *ast.Field) {
		ast.Walk(env.Value, func(n ast.Node) bool {
			if f, ok := n.(*ast.ForClause); ok {
				if source, ok := f.Source.(*ast.Ident); ok && source.Name == "services" {
					name, _, _ := ast.LabelName(env.Label)
					warnings = append(warnings, &Error{
						Rule: rule.OwnServices, Pos: p.pos(source.Pos()), Path: language.Join("environments", name),
						Message: fmt.Sprintf("this goes through the services of the environment %s alone", name),
						Why:     "inside of an environment services are its own",
						Hint:    "write services: [string]: {…} for all that the App has",
					})
				}
			}
			return true
		}, nil)
	}
	for _, f := range files {
		ast.Walk(f, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok {
				return true
			}
			if name, _, err := ast.LabelName(field.Label); err != nil || name != "environments" {
				return true
			}
			if envs, ok := field.Value.(*ast.StructLit); ok {
				for _, d := range envs.Elts {
					if env, ok := d.(*ast.Field); ok {
						inServices(env)
					}
				}
			}
			return false
		}, nil)
	}
	return warnings
}
