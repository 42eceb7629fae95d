// Package deploy composes the four rooms: it loads a project (schema), turns its
// builds into images (registry), renders its objects (render) and hands them to
// the engine (apply). It is the only place that knows all four, which is why it
// is neither in one of them nor in a command. It prints nothing.
package deploy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shipit-dev/shipit/schema"
)

// Options say which project, and what of it is replaced from outside.
type Options struct {
	Dir         string   // the project's directory, or one below it
	Tags        []string // CUE tags: key=value, or a bare name
	Environment string   // one of the app's environments; needed when it has any
	Namespace   string   // replaces the app's; empty keeps it
	Registry    string   // replaces the app's; empty keeps it
	Env         []string // see schema.Options
	CRDs        string   // a folder with more definitions of kinds that the cluster has; empty has none
}

// NoEnvironmentError says that an app has environments and none was chosen.
type NoEnvironmentError struct{ Known []string }

func (e *NoEnvironmentError) Error() string {
	return "this app has environments, and none was chosen"
}

// Hint names them.
func (e *NoEnvironmentError) Hint() string {
	return "choose one: -e " + strings.Join(e.Known, ", -e ")
}

// Open loads a project in one environment and lays the options over it. What
// the user wrote wrong is a schema.Errors; an environment that does not exist is
// a *schema.UnknownEnvironmentError, a missing one a *NoEnvironmentError.
func Open(ctx context.Context, opts Options) (*schema.App, error) {
	load := opts.load()
	if opts.Environment == "" {
		known, err := schema.Environments(ctx, opts.Dir, load)
		if err != nil {
			return nil, err
		}
		if len(known) > 0 {
			return nil, &NoEnvironmentError{Known: known}
		}
	}
	app, err := schema.Load(ctx, opts.Dir, load)
	if err != nil {
		return nil, err
	}
	return app, opts.lay(app)
}

// OpenAll is Open for every environment at once, or for the one that opts
// names. An app without environments is given alone.
func OpenAll(ctx context.Context, opts Options) ([]*schema.App, error) {
	if opts.Environment != "" {
		app, err := Open(ctx, opts)
		if err != nil {
			return nil, err
		}
		return []*schema.App{app}, nil
	}
	apps, err := schema.LoadAll(ctx, opts.Dir, opts.load())
	if err != nil {
		return nil, err
	}
	for _, app := range apps {
		if err := opts.lay(app); err != nil {
			return nil, err
		}
	}
	return apps, nil
}

func (o Options) load() schema.Options {
	return schema.Options{Tags: o.Tags, Environment: o.Environment, Env: o.Env}
}

// NamespaceError is a namespace that none can be called.
type NamespaceError struct{ Namespace, Problem string }

func (e *NamespaceError) Error() string {
	return fmt.Sprintf("%q is no name of a namespace: %s", e.Namespace, e.Problem)
}

func (o Options) lay(app *schema.App) error {
	for _, s := range app.Services {
		for i, c := range s.Calls {
			// A service of this app from another project is where the app is.
			if o.Namespace != "" && c.App == app.Name && c.Namespace == app.Namespace {
				s.Calls[i].Namespace = o.Namespace
			}
		}
	}
	if problems := validation.IsDNS1123Label(o.Namespace); o.Namespace != "" && len(problems) > 0 {
		return &NamespaceError{Namespace: o.Namespace, Problem: problems[0]}
	}
	app.Namespace = cmp.Or(o.Namespace, app.Namespace)
	app.Registry = cmp.Or(o.Registry, app.Registry)
	if o.CRDs == "" {
		return nil
	}
	more, err := definitions(o.CRDs)
	app.CRDs = append(app.CRDs, more...)
	return err
}

// UnknownServiceError is a service that the app does not have.
type UnknownServiceError struct {
	Name  string
	Known []string
}

func (e *UnknownServiceError) Error() string {
	return fmt.Sprintf("there is no service %q", e.Name)
}

// Hint names the services there are.
func (e *UnknownServiceError) Hint() string {
	return "the services are " + strings.Join(e.Known, ", ")
}

// Services returns the services called names, or all of them when there are no
// names. The error is an UnknownServiceError.
func Services(app *schema.App, names []string) ([]*schema.Service, error) {
	if len(names) == 0 {
		return app.Services, nil
	}
	var out []*schema.Service
	for _, name := range names {
		s := app.Service(name)
		if s == nil {
			var known []string
			for _, s := range app.Services {
				known = append(known, s.Name)
			}
			return nil, &UnknownServiceError{Name: name, Known: known}
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}
