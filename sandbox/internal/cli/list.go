package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newList(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Short:             "List the sandboxes, and whether they are ready",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := streams.place()
			if err != nil {
				return err
			}
			names, err := cluster.List(l.Base)
			if err != nil {
				return err
			}
			for _, name := range names {
				one := streams
				one.sandbox = &name
				c, err := one.open()
				if err != nil {
					return err
				}
				status, err := c.Status(cmd.Context())
				c.Close()
				if err != nil {
					return err
				}
				state := "not ready"
				if status.Ready {
					state = "ready"
				}
				fmt.Fprintf(streams.Out, "%s\t%s\n", name, state)
			}
			return nil
		},
	}
}
