package schema

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/load"
	"golang.org/x/sync/errgroup"
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
		env, err := p.choose(opts)
		if err != nil {
			return nil, err
		}
		return p.loadIn(opts, env)
	})
}

// find is Find, with the modules that the project depends on.
func find(ctx context.Context, dir string, opts Options) (Project, error) {
	p, err := Find(dir)
	p.modules = newModules(ctx, opts.Env)
	return p, err
}

// loadIn loads the project with an environment filled in.
func (p Project) loadIn(opts Options, env environment) (*App, error) {
	app, err := p.load(opts, env, true)
	if errors.Is(err, errNotSeen) {
		return p.load(opts, env, false)
	}
	return app, err
}

// errNotSeen says that CUE refuses what nothing is seen to be wrong with, which
// may be for what was taken out of the schema.
var errNotSeen = errors.New("nothing is seen to be wrong")

func (p Project) load(opts Options, env environment, pruned bool) (*App, error) {
	strict, errs := p.instance(withEnvironment(bareSchema(), env), opts)
	if errs != nil {
		return nil, errs.sorted()
	}
	pruned = pruned && prune(strict)
	// Meanwhile the shapes, for which CUE is not needed.
	var shapes *shapes
	var reading errgroup.Group
	reading.Go(func() (err error) {
		if shapes, err = newShapes(); err == nil {
			shapes.app()
		}
		return err
	})
	ctx := cuecontext.New()
	value := ctx.BuildInstance(strict)
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	if err := validate(value, env); err != nil || !isApp(value) {
		return nil, p.explain(opts, shapes, env, err, pruned)
	}
	loc := newLocator(p, strict.Files, env)
	b := newTreeBuilder(loc)
	tree := b.tree(value, "", "")
	check, err := newChecker(ctx, shapes, loc, strict)
	if err != nil {
		return nil, err
	}
	check.app(tree)
	if errs := tolerate(check.errs, tree, env); len(errs) > 0 || tree.bad {
		return nil, p.explain(opts, shapes, env, errs, pruned)
	}
	d := &decoder{project: p, loc: loc}
	app := d.app(tree)
	app.ignores = newIgnores(p, strict)
	if errs := app.Silence(d.errs); len(errs) > 0 {
		return nil, errs.sorted()
	}
	app.Dir = p.Dir
	app.Source, _, _ = strings.Cut(strict.Module, "@")
	app.positions = b.positions
	maps.Copy(app.positions, d.places)
	app.Warnings = slices.Concat(p.unread(strict), p.stale(), p.ownServices(strict.Files), d.warnings, app.ignores.bad())
	for _, w := range app.Warnings {
		_ = ruled(w) // the same one
	}
	app.Warnings = app.Silence(app.Warnings)
	return app, nil
}

// instance loads the syntax of the project's package and all it imports.
func (p Project) instance(schema map[string][]byte, opts Options) (*build.Instance, Errors) {
	// CUE stops at the first import that it does not find: take it out and go
	// on, to find the others.
	var missing Errors
	without := map[string]bool{}
	for {
		inst, errs := p.instanceWithout(without, schema, opts)
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

func (p Project) instanceWithout(imports map[string]bool, schema map[string][]byte, opts Options) (*build.Instance, Errors) {
	real, err := filepath.EvalSymlinks(p.Root)
	if err != nil {
		return nil, Errors{{Code: NoProject, Message: err.Error()}}.sorted()
	}
	overlay := p.overlay(schema)
	g := &guard{project: p, root: real, overlay: overlay, without: imports, own: sync.OnceValue(p.modulePath), folders: map[string]bool{}}
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

// isApp reports whether a value has v1.#App in it.
func isApp(value cue.Value) bool {
	return value.LookupPath(cue.MakePath(cue.Hid("_schema", importPath))).Exists()
}
