package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newOpen(streams IO) *cobra.Command {
	var target cluster.Target
	cmd := &cobra.Command{
		Use:   "open SERVICE",
		Short: "Forward a port of this machine to a Service and print its URL",
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return errors.New("name a Service")
			case 1:
				return nil
			}
			return fmt.Errorf("open takes one Service; if %s is a sandbox, write --sandbox=%[1]s", args[1])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			target.Service = args[0]
			c, err := streams.open()
			if err != nil {
				return err
			}
			defer c.Close()
			url, err := c.OpenService(cmd.Context(), target)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(streams.Out, url)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&target.Namespace, "namespace", "n", "default", "`namespace` of the Service")
	flags.StringVar(&target.Port, "port", "", "`port` of the Service, by number or name (default: its first)")
	return cmd
}
