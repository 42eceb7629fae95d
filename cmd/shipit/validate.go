package main

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

func newValidateCommand(s streams) *cobra.Command {
	var project projectFlags
	var output string
	var raw bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a project in every environment, without a cluster",
		Long: `Check a project in every environment, or in the one that -e names, without a
cluster. The forms for CI systems (sarif, junit, github) name files from the
folder that shipit was started in.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := &report{dir: project.dir}
			formats := r.formats()
			if output != "text" && formats[output] == nil {
				known := slices.Sorted(maps.Keys(formats))
				return usagef("-o %s: the formats are text, %s", output, strings.Join(known, ", "))
			}
			apps, err := deploy.OpenAll(cmd.Context(), project.options(""))
			var invalid schema.Errors
			if err != nil && !errors.As(err, &invalid) {
				return err
			}
			found, checking := deploy.CheckAll(apps...)
			if checking != nil {
				return checking
			}
			severe, mild := deploy.Severe(found)
			if len(severe) > 0 {
				invalid, err = severe, severe
			}
			for _, app := range apps {
				r.Apps = append(r.Apps, reportApp{Name: app.Name, Environment: app.Environment, Namespace: app.Namespace, Services: len(app.Services)})
			}
			r.Valid, r.Findings = len(invalid) == 0, slices.Concat(invalid, warned(apps), mild)
			if raw {
				for _, e := range r.Findings {
					e.Message = cmp.Or(e.Raw, e.Message)
				}
			}
			if output == "text" {
				s.warnings(slices.Concat(warned(apps), mild))
				if err != nil {
					return err
				}
				for _, a := range r.Apps {
					where := ""
					if a.Environment != "" {
						where = " in " + a.Environment
					}
					s.note("%s%s: %s, valid", a.Name, where, plural(a.Services, "service"))
				}
				return nil
			}
			data, writing := formats[output]()
			if writing != nil {
				return writing
			}
			if _, err := s.out.Write(data); err != nil {
				return err
			}
			if !r.Valid {
				return exitStatus(exitInvalid)
			}
			return nil
		},
	}
	project.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json, sarif, junit or github")
	cmd.Flags().BoolVar(&raw, "raw", false, "show CUE's own words where it had any")
	return cmd
}
