package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newOpen(streams IO) *cobra.Command {
	var namespace, port string
	cmd := &cobra.Command{
		Use:   "open SERVICE [NAME]",
		Short: "Forward a loopback port to a Service, and print its URL",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := open(streams, args[1:])
			if err != nil {
				return err
			}
			defer c.Close()
			address, err := c.OpenService(cmd.Context(), namespace, args[0], port)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "http://%s\n", address)
			return err
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "default", "the Service's namespace")
	cmd.Flags().StringVar(&port, "port", "", "the Service's port, by name or number (default: its first TCP port)")
	return cmd
}
