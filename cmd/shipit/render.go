package main

import (
	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/render"
)

func newRenderCommand(s streams) *cobra.Command {
	var project projectFlags
	var output, namespace string
	cmd := &cobra.Command{
		Use:        "render [SERVICE...]",
		SuggestFor: []string{"template", "export"},
		Short:      "Print the Kubernetes objects of a project",
		Long: `Print the Kubernetes objects of a project, or of some of its services. Nothing
is built and no network is used, so images are shown as they are written, and
those that are built without their digest.`,
		ValidArgsFunction: completeArgs(many, s.services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "yaml" && output != "json" {
				return usagef("-o %s: the formats are yaml and json", output)
			}
			app, err := project.open(cmd.Context(), s, namespace)
			if err != nil {
				return err
			}
			services, err := deploy.Services(app, args)
			if err != nil {
				return err
			}
			units, err := deploy.Render(app, deploy.Unbuilt(app, services), nil)
			if err != nil {
				return err
			}
			write := render.YAML
			if output == "json" {
				write = render.JSON
			}
			data, err := write(units)
			if err != nil {
				return err
			}
			_, err = s.out.Write(data)
			return err
		},
	}
	project.add(cmd)
	addFormats(cmd, &output, "yaml", "json")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "the namespace (instead of the app's)")
	return cmd
}
