package main

import (
	"cmp"
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/schema"
)

// projectFlags say which project a command works on.
type projectFlags struct {
	dir         string
	tags        []string
	environment string
	registry    string
}

func (f *projectFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.dir, "dir", "C", ".", "the project's directory")
	cmd.Flags().StringArrayVarP(&f.tags, "tag", "t", nil, "a CUE tag, key=value (repeatable)")
	cmd.Flags().StringVarP(&f.environment, "environment", "e", "", "the environment, when the app has any")
	cmd.Flags().StringVar(&f.registry, "registry", "", "push images there: host[:port][/path] (instead of the app's registry)")
	directories(cmd, "dir")
	completeFlag(cmd, "environment", environmentNames)
}

// deployedFlags say which app a command works on that needs nothing but what is
// deployed: the project's, or one by name, for when there is no project at hand
// or its CUE is broken.
type deployedFlags struct {
	projectFlags
	clusterFlags
	app string
}

func (f *deployedFlags) add(cmd *cobra.Command) {
	f.projectFlags.add(cmd)
	f.clusterFlags.add(cmd)
	cmd.Flags().StringVar(&f.app, "app", "", "the app's name, instead of reading a project; its namespace is the name, or what -n says")
}

// open finds the app and makes a client for it.
func (f *deployedFlags) open(ctx context.Context, s streams) (*schema.App, *apply.Client, error) {
	app, _, client, err := f.find(ctx, s)
	return app, client, err
}

// find is open, and says where the client leads. What the project is warned of is
// not told again: that is for who checks, builds or deploys it.
func (f *deployedFlags) find(ctx context.Context, s streams) (*schema.App, *target, *apply.Client, error) {
	app := &schema.App{Name: f.app, Namespace: cmp.Or(f.namespace(), f.app)}
	if f.app == "" {
		var err error
		if app, err = deploy.Open(ctx, f.options(f.namespace())); err != nil {
			return nil, nil, nil, err
		}
	}
	t, err := f.connect(ctx, s, app)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := t.client(ctx, app)
	return app, t, client, err
}

// open loads the project and prints what it warns of. A namespace that is not
// empty replaces the app's, as the --registry flag does its registry.
func (f *projectFlags) open(ctx context.Context, s streams, namespace string) (*schema.App, error) {
	app, err := deploy.Open(ctx, f.options(namespace))
	if err != nil {
		return nil, err
	}
	s.warnings(deploy.Warnings(app))
	return app, nil
}

// checked is open, with everything checked that validate checks, for a cluster that
// is asked of its own kinds before anything is written.
func (f *projectFlags) checked(ctx context.Context, s streams, namespace string) (*schema.App, error) {
	app, err := f.open(ctx, s, namespace)
	if err != nil {
		return nil, err
	}
	found, err := deploy.CheckAll(app)
	if err != nil {
		return nil, err
	}
	severe, mild := deploy.Severe(found)
	s.warnings(slices.DeleteFunc(mild, func(e *schema.Error) bool { return e.Rule == openapi.UncheckedKind }))
	if len(severe) > 0 {
		return nil, severe
	}
	return app, nil
}

func (f *projectFlags) options(namespace string) deploy.Options {
	return deploy.Options{Dir: f.dir, Tags: f.tags, Environment: f.environment, Namespace: namespace, Registry: f.registry, Env: os.Environ()}
}

// warnings prints warnings with their hints.
func (s streams) warnings(warnings schema.Errors) {
	for _, w := range warnings {
		s.warn("%s", w.Error())
		if w.Hint != "" {
			s.note("  hint: %s", w.Hint)
		}
	}
}
