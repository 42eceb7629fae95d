package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newOpen(streams IO) *cobra.Command {
	var target cluster.Target
	var sandbox string
	cmd := &cobra.Command{
		Use:   "open SERVICE",
		Short: "Forward a port of this machine to a Service and print its URL",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target.Service = args[0]
			l, err := place(streams, []string{sandbox})
			if err != nil {
				return err
			}
			c, err := open(streams, []string{sandbox})
			if err != nil {
				return err
			}
			defer c.Close()
			url, err := c.OpenService(cmd.Context(), l, target)
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
	flags.StringVar(&sandbox, "sandbox", "default", "`name` of the sandbox")
	return cmd
}
