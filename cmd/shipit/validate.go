package main

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

func newValidateCommand(s streams) *cobra.Command {
	var project projectFlags
	var raw bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a project in every environment, without a cluster",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			apps, err := deploy.OpenAll(cmd.Context(), project.options(""))
			var invalid schema.Errors
			if raw && errors.As(err, &invalid) {
				for _, e := range invalid {
					e.Message = cmp.Or(e.Raw, e.Message)
				}
			}
			if err != nil {
				return err
			}
			s.warnings(apps...)
			for _, app := range apps {
				if _, err := deploy.Render(app, deploy.Unbuilt(app, app.Services), nil); err != nil {
					return err
				}
				where := ""
				if app.Environment != "" {
					where = " in " + app.Environment
				}
				s.note("%s%s: %s, valid", app.Name, where, plural(len(app.Services), "service"))
			}
			return nil
		},
	}
	project.add(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "show CUE's own words where it had any")
	return cmd
}
