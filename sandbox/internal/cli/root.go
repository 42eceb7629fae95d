// Package cli is shipit-sandbox on the command line: argv, environment and streams go in, text and an exit code come out.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// IO is what the commands read and write.
type IO struct {
	Out, Err io.Writer
	Roots    layout.Roots
	Path     string // $PATH
}

// Execute runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
func Execute(ctx context.Context, args []string, streams IO) int {
	streams.Path = cluster.SearchPath(streams.Path)
	root := &cobra.Command{
		Use:           "shipit-sandbox",
		Short:         "A real Kubernetes cluster and an OCI registry on this machine",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{err, cmd} })
	root.AddCommand(
		newUp(streams), newDown(streams), newStatus(streams), newKubeconfig(streams), newRegistry(streams),
		newLogs(streams), newOpen(streams), newList(streams),
	)
	return report(streams.Err, root.ExecuteContext(ctx))
}

type usageError struct {
	error
	cmd *cobra.Command
}

// report prints an error for a person and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "shipit-sandbox: interrupted")
		return 130
	}
	fmt.Fprintf(w, "shipit-sandbox: error: %v\n", err)
	var component *cluster.ComponentError
	if errors.As(err, &component) {
		for _, line := range component.Lines {
			fmt.Fprintf(w, "  %s | %s\n", component.Component, line)
		}
		fmt.Fprintf(w, "shipit-sandbox: hint: the whole log is %s\n", component.Log)
	}
	var unready *cluster.Unready
	if errors.As(err, &unready) && unready.Hint != "" {
		fmt.Fprintf(w, "shipit-sandbox: hint: %s\n", unready.Hint)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprint(w, usage.cmd.UsageString())
		return 2
	}
	return 1
}

// place returns the layout of the sandbox named by the optional argument.
func place(streams IO, args []string) (layout.Layout, error) {
	name := "default"
	if len(args) > 0 {
		name = args[0]
	}
	return layout.Resolve(name, streams.Roots)
}

// open returns an existing sandbox, or an error that says how to make it.
func open(streams IO, args []string) (*cluster.Cluster, error) {
	l, err := place(streams, args)
	if err != nil {
		return nil, err
	}
	c, err := cluster.Open(l, streams.Path)
	if errors.Is(err, cluster.ErrAbsent) {
		return nil, absent(l)
	}
	return c, err
}

// absent says that there is no sandbox of that name, which there are, and how to make it.
func absent(l layout.Layout) error {
	problem := "there is no sandbox " + l.Name
	if names, err := cluster.List(l.Base); err == nil && len(names) > 0 {
		problem += "; there is " + strings.Join(names, ", ")
	}
	return &cluster.Unready{Problem: problem, Hint: "make it: shipit sandbox up " + l.Name}
}
