package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newKubeconfig(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:               "kubeconfig [NAME]",
		Short:             "Print a kubeconfig of the sandbox's administrator",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := streams.open(args...)
			if err != nil {
				return err
			}
			defer c.Close()
			data, err := c.Kubeconfig()
			if err != nil {
				return err
			}
			_, err = streams.Out.Write(data)
			return err
		},
	}
}

func newRegistry(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:               "registry [NAME]",
		Short:             "Print host:port of the sandbox's registry, which is the same for the node and for this machine",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := streams.open(args...)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = fmt.Fprintln(streams.Out, c.Registry())
			return err
		},
	}
}

func newLogin(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:               "login [NAME]",
		Short:             "Print a Docker config.json with which the sandbox's registry takes pushes",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := streams.open(args...)
			if err != nil {
				return err
			}
			defer c.Close()
			login, err := c.Login()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(streams.Out, "%s\n", login)
			return err
		},
	}
}
