package schema

import (
	"context"
	"errors"
	"slices"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/load"
)

// Options say how to load a project.
type Options struct {
	// Tags set fields that have a @tag attribute ("key=value"), and choose the
	// files with an @if attribute ("key"), as CUE's own -t does.
	Tags []string
	// Environment is the one of the app's environments to fill in; empty leaves the
	// app as it is written outside of them.
	Environment string
	// Limits end an evaluation that takes too much.
	Limits Limitations
	// Env are the environment variables, NAME=VALUE, by which CUE finds the modules
	// that cue.mod/module.cue names in deps (`cue help registryconfig`):
	// CUE_REGISTRY, CUE_CACHE_DIR, and the logins of CUE_CONFIG_DIR, DOCKER_CONFIG
	// or HOME. Nil reads no module from a registry.
	Env []string
}

// Load evaluates the CUE package in dir, or in the nearest folder above it (see
// Find), with this program's own copy of the schema, and gives the App.
//
// What the user wrote wrong is all in an error of type Errors, and an environment
// that the App does not have is an *UnknownEnvironmentError. Files outside
// the project's module are never read, nor is the network, but for the modules
// that it depends on; see Options.Env. When ctx ends, its
// error is given at once, and when the evaluation takes more than Options.Limits a
// *LimitError; CUE cannot be stopped, so its evaluation then still runs beside the
// caller, who should end.
func Load(ctx context.Context, dir string, opts Options) (*App, error) {
	p, err := find(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	return within(ctx, p, opts.Limits, func() (*App, error) {
		inst, errs := p.instance(opts)
		if errs != nil {
			return nil, errs.sorted()
		}
		env, err := p.choose(opts, inst)
		if err != nil {
			return nil, err
		}
		return p.load(opts, inst, env)
	})
}

// find is Find, with the modules that the project depends on.
func find(ctx context.Context, dir string, opts Options) (Project, error) {
	p, err := Find(dir)
	p.modules = newModules(ctx, opts.Env)
	return p, err
}

// load evaluates a project, with an environment filled in, and takes its instance
// for that. CUE knows of the schema only its definitions' names, and so finds what is
// wrong in the project itself: references, conflicts, missing values. All else is
// data, which is compared with the schema field by field. So all errors are found at
// once and none is told in CUE's words; and what there is to evaluate grows with what
// is written, not with all that might be.
//
// Only where a project makes definitions of the schema's does CUE need more of it:
// which fields they allow depends on what is in that. An outline of it is enough when
// nothing is wrong; what is, the whole schema tells, which takes longer.
func (p Project) load(opts Options, inst *build.Instance, env environment) (*App, error) {
	var refused Errors
	for _, schema := range redefines(inst).schemas() {
		if err := p.giveSchema(inst, schema()); err != nil {
			return nil, err
		}
		app, err := p.evaluate(inst, env, nil)
		if !errors.As(err, &refused) {
			return app, err
		}
		var errs Errors
		if inst, errs = p.instance(opts); errs != nil {
			return nil, errs.sorted()
		}
	}
	return p.evaluate(inst, env, refused)
}

// instance loads the syntax of the project's package and all it imports.
func (p Project) instance(opts Options) (*build.Instance, Errors) {
	// CUE stops at the first import that it does not find: take it out and go
	// on, to find the others.
	var missing Errors
	without := map[string]bool{}
	for {
		inst, errs := p.instanceWithout(without, opts)
		name := missingImport(errs)
		if name == "" || without[name] {
			if errs = append(missing, errs...); len(errs) > 0 {
				return nil, joined(errs)
			}
			return inst, nil
		}
		without[name] = true
		missing = append(missing, errs...)
	}
}

func (p Project) instanceWithout(imports map[string]bool, opts Options) (*build.Instance, Errors) {
	overlay := p.overlay(relaxedSchema())
	g := &guard{project: p, overlay: overlay, without: imports, own: sync.OnceValue(p.modulePath), folders: map[string]bool{}}
	g.moduleFiles()
	_ = g.folder(p.Dir) // what it refuses it keeps
	if len(g.refused) > 0 {
		return nil, g.refused
	}
	cfg := &load.Config{
		ModuleRoot: p.Root,
		Dir:        p.Dir,
		Tags:       opts.Tags,
		Overlay:    overlay,
		Env:        []string{},
		Registry:   p.modules,
		ParseFile:  g.parse,
	}
	inst := load.Instances([]string{"."}, cfg)[0]
	if len(g.refused) > 0 {
		return nil, g.refused
	}
	if inst.Err != nil {
		return nil, p.loadErrors(inst)
	}
	p.confineEmbeds(inst, map[*build.Instance]bool{})
	return inst, nil
}

// removeImports takes imports out of a file.
func removeImports(f *ast.File, paths map[string]bool) {
	gone := func(s *ast.ImportSpec) bool {
		path, err := literal.Unquote(s.Path.Value)
		return err == nil && paths[path]
	}
	for _, d := range f.Decls {
		if d, ok := d.(*ast.ImportDecl); ok {
			d.Specs = slices.DeleteFunc(d.Specs, gone)
		}
	}
}
