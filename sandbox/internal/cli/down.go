package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newDown(streams IO) *cobra.Command {
	var keepData bool
	cmd := &cobra.Command{
		Use:               "down [NAME]",
		Short:             "Stop a sandbox and remove it",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := streams.place(args...)
			if err != nil {
				return err
			}
			err = cluster.Down(cmd.Context(), l, keepData)
			if errors.Is(err, cluster.ErrAbsent) {
				fmt.Fprintf(streams.Err, "there is no sandbox %s\n", l.Name)
				return nil
			}
			if err != nil {
				return err
			}
			if keepData {
				fmt.Fprintf(streams.Err, "sandbox %s is down; its data is kept in %s\n", l.Name, l.Home)
			} else {
				fmt.Fprintf(streams.Err, "sandbox %s is gone\n", l.Name)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&keepData, "keep-data", false, "stop it, but keep its data for the next up")
	return cmd
}
