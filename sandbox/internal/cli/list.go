package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newList(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the names of all sandboxes",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			l, err := place(streams, nil)
			if err != nil {
				return err
			}
			names, err := cluster.List(l.Base)
			for _, name := range names {
				fmt.Fprintln(streams.Out, name)
			}
			return err
		},
	}
}
