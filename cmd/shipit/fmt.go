package main

import (
	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/schema"
)

func newFmtCommand(s streams) *cobra.Command {
	var dir string
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt",
		Short: "Format a project's CUE files",
		Long: `Format the CUE files of a project as CUE's own formatter does, and print the
names of those that changed. With --check nothing is written, and the exit code
is 2 when a file is not formatted.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := schema.Format(cmd.Context(), dir)
			if err != nil {
				return err
			}
			for _, f := range files {
				if !check {
					if err := f.Write(); err != nil {
						return err
					}
				}
				printTo(s.out, cell, "%s\n", f.File)
			}
			if check && len(files) > 0 {
				return exitStatus(exitChanges)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&dir, "dir", "C", ".", "the project's directory")
	directories(cmd, "dir")
	cmd.Flags().BoolVar(&check, "check", false, "only say which files are not formatted")
	return cmd
}
