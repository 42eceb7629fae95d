package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newUp(streams IO) *cobra.Command {
	var opts cluster.UpOptions
	var quiet bool
	cmd := &cobra.Command{
		Use:   "up [NAME]",
		Short: "Start a sandbox, or repair a running one",
		Long: `Start a sandbox, or repair a running one. What ends of it later is started again by its
supervisor, whose log says so (logs supervisor) and which status counts; a
component that ends eight times at its start is left until the next up.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := streams.place(args...)
			if err != nil {
				return err
			}
			if streams.Roots.UID != 0 {
				opts.ControlPlaneOnly = true
			}
			c, changed, err := cluster.Up(cmd.Context(), l, streams.Path, opts, func(e cluster.Event) {
				fmt.Fprintf(streams.Err, "%5.1fs  %s\n", e.Elapsed.Seconds(), e.Message)
			})
			if err != nil {
				return err
			}
			defer c.Close()
			if quiet && !changed {
				return nil
			}
			state := "is ready"
			if !changed {
				state = "is running already"
			}
			fmt.Fprintf(streams.Err, "sandbox %s %s; registry %s\n", l.Name, state, c.Registry())
			if !c.HasNode() {
				reason := ""
				if streams.Roots.UID != 0 {
					reason = " (a node needs root)"
				}
				fmt.Fprintf(streams.Err, "it has a control plane and a registry, but no node%s: no pod will run\n", reason)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&quiet, "quiet", "q", false, "say nothing when it is running already")
	flags.BoolVar(&opts.ControlPlaneOnly, "control-plane-only", false, "no node: API server, controllers and registry only")
	flags.IntVar(&opts.APIPort, "api-port", 0, "loopback `port` of the API server (default: a free one, kept)")
	flags.IntVar(&opts.RegistryPort, "registry-port", 0, "loopback `port` of the registry (default: a free one, kept)")
	return cmd
}
