// Package cli is shipit-sandbox on the command line: argv, environment and streams go in, text and an exit code come out.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// IO is what the commands read and write.
type IO struct {
	Out, Err io.Writer
	Roots    layout.Roots
	Path     string // $PATH

	sandbox *string // what --sandbox says
}

// Execute runs the command line and returns the exit code, as shipit has them: 0 done, 1 failed, 64 wrong usage,
// 130 interrupted.
func Execute(ctx context.Context, args []string, streams IO) int {
	// Kubernetes' libraries put flags of their own there, which cobra would show as ours.
	pflag.CommandLine = pflag.NewFlagSet("", pflag.ContinueOnError)
	streams.Path = cluster.SearchPath(streams.Path)
	streams.sandbox = new(string)
	begun := false // what fails before is the command line's
	root := &cobra.Command{
		Use:              "shipit-sandbox",
		Annotations:      map[string]string{cobra.CommandDisplayNameAnnotation: "shipit sandbox"},
		Short:            "A real Kubernetes cluster and an OCI registry on this machine",
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { begun = true },
	}
	root.PersistentFlags().StringVar(streams.sandbox, "sandbox", "", "which sandbox, as of shipit's other commands")
	root.PersistentFlags().Lookup("sandbox").NoOptDefVal = defaultName
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetArgs(args)
	root.AddCommand(
		newUp(streams), newDown(streams), newStatus(streams), newKubeconfig(streams), newRegistry(streams), newLogin(streams),
		newLogs(streams), newOpen(streams), newList(streams),
	)
	must(root.RegisterFlagCompletionFunc("sandbox", streams.names(many)))
	err := root.ExecuteContext(ctx)
	if err != nil && !begun {
		err = usageError{err}
	}
	return report(streams.Err, err)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const (
	defaultName = "default"
	exitUsage   = 64
	many        = 100 // arguments, whatever they are
)

// usageError is a mistake in the command line itself.
type usageError struct{ error }

// report prints an error for a person and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "error: interrupted")
		return 130
	}
	fmt.Fprintf(w, "error: %v\n", err)
	var component *cluster.ComponentError
	if errors.As(err, &component) {
		for _, line := range component.Lines {
			fmt.Fprintf(w, "  %s | %s\n", component.Component, line)
		}
		fmt.Fprintf(w, "hint: the whole log is %s\n", component.Log)
	}
	var unready *cluster.Unready
	if errors.As(err, &unready) && unready.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", unready.Hint)
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(w, "hint: run the command with --help to see its arguments and flags")
		return exitUsage
	}
	return 1
}

// place returns the layout of the sandbox that --sandbox or args name: no more than one.
func (streams IO) place(args ...string) (layout.Layout, error) {
	name := *streams.sandbox
	switch {
	case len(args) > 0 && name != "" && args[0] != name:
		return layout.Layout{}, usageError{fmt.Errorf("%s and --sandbox=%s: name one sandbox", args[0], name)}
	case len(args) > 0:
		name = args[0]
	case name == "":
		name = defaultName
	}
	l, err := layout.Resolve(name, streams.Roots)
	if err != nil {
		return l, usageError{err}
	}
	return l, nil
}

// open returns an existing sandbox, or an error that says how to make it.
func (streams IO) open(args ...string) (*cluster.Cluster, error) {
	l, err := streams.place(args...)
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

// names completes the names of sandboxes, as the first of most arguments.
func (streams IO) names(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		l, err := streams.place()
		if err != nil || len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, _ := cluster.List(l.Base)
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// components are those of the sandbox, which have logs.
func (streams IO) components() []cobra.Completion {
	c, err := streams.open()
	if err != nil {
		return nil
	}
	defer c.Close()
	logs, _ := c.Logs("")
	var names []cobra.Completion
	for _, l := range logs {
		names = append(names, l.Component)
	}
	return names
}
