package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/internal/deploy"
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
}

// open loads the project and prints what it warns of. A namespace that is not
// empty replaces the app's, as the --registry flag does its registry.
func (f *projectFlags) open(ctx context.Context, s streams, namespace string) (*schema.App, error) {
	app, err := deploy.Open(ctx, f.options(namespace))
	if err != nil {
		return nil, err
	}
	s.warnings(app)
	return app, nil
}

func (f *projectFlags) options(namespace string) deploy.Options {
	return deploy.Options{Dir: f.dir, Tags: f.tags, Environment: f.environment, Namespace: namespace, Registry: f.registry}
}

// warnings prints what projects are warned of, each warning once.
func (s streams) warnings(apps ...*schema.App) {
	said := map[string]bool{}
	for _, app := range apps {
		for _, w := range app.Warnings {
			if said[w.Error()] {
				continue
			}
			said[w.Error()] = true
			s.warn("%s", w.Error())
			if w.Hint != "" {
				s.note("  hint: %s", w.Hint)
			}
		}
	}
}
