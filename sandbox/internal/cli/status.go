package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newStatus(streams IO) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show what runs, and what is wrong with it",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return &usageError{fmt.Errorf("-o %s: the formats are text and json", output), cmd}
			}
			c, err := open(streams, args)
			if err != nil {
				return err
			}
			defer c.Close()
			s := c.Status(cmd.Context())
			if output == "json" {
				enc := json.NewEncoder(streams.Out)
				enc.SetIndent("", "  ")
				return enc.Encode(s)
			}
			state := "not ready"
			if s.Ready {
				state = "ready"
			}
			fmt.Fprintf(streams.Out, "sandbox %s: %s\nAPI server %s\nregistry   %s\n\n", s.Name, state, s.API, s.Registry)
			w := tabwriter.NewWriter(streams.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "COMPONENT\tPID\tSTATE")
			for _, comp := range s.Components {
				state := "healthy"
				if !comp.Healthy {
					state = comp.Problem
				}
				fmt.Fprintf(w, "%s\t%d\t%s\n", comp.Name, comp.PID, state)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
