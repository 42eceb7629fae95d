package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newStatus(streams IO) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show a sandbox's components",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: streams.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usageError{fmt.Errorf("-o %s: the formats are text and json", output)}
			}
			c, err := streams.open(args...)
			if err != nil {
				return err
			}
			defer c.Close()
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(streams.Out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(status)
			}
			return printStatus(streams.Out, status)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`format`: text or json")
	return cmd
}

func printStatus(w io.Writer, s cluster.Status) error {
	state := "not ready"
	if s.Ready {
		state = "ready"
	}
	node := "none"
	switch {
	case s.NodeReady:
		node = "ready"
	case s.Node:
		node = "not ready"
	}
	fmt.Fprintf(w, "sandbox %s is %s\nAPI server %s, registry %s, node %s\n\n", s.Name, state, s.API, s.Registry, node)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tPID\tRESTARTS\tSTATE")
	for _, c := range s.Components {
		pid, health := "-", "healthy"
		if c.PID != 0 {
			pid = fmt.Sprint(c.PID)
		}
		if !c.Healthy {
			health = c.Problem
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", c.Name, pid, c.Restarts, health)
	}
	for _, o := range s.Open {
		fmt.Fprintf(table, "open %s\t\t\t%s\n", o.Service, o.URL)
	}
	return table.Flush()
}
