package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `shipit takes a CUE description of microservices to running, healthy pods,
and back again when they are not healthy.

Every flag can be set in the environment: --registry as SHIPIT_REGISTRY.

Exit codes: 0 done · 1 error · 2 changes found (--check) · 3 invalid
configuration · 4 the rollout failed and what was there before is back · 5 it
failed and is not back · 6 another deploy holds the lock · 64 usage · 130
interrupted twice.`

// execute runs one command line.
func execute(ctx context.Context, args []string, s streams) error {
	root := newRootCommand(s)
	root.SetArgs(args)
	if !completing(args) {
		for _, c := range root.Commands() {
			c.Flags().VisitAll(onlyOnce)
		}
	}
	cmd, err := root.ExecuteContextC(ctx)
	if s.session != nil {
		s.session.json = printsJSON(cmd)
	}
	if meant := unjoined(args, err); meant != "" {
		return usageError{hinted{err, "if it belongs to the flag, write " + meant}}
	}
	return err
}

// unjoined is a flag with the value that was meant for it, when err is about that
// value: of flags that need none it is part of the same word.
func unjoined(args []string, err error) string {
	var usage usageError
	if !errors.As(err, &usage) && !isChoice(err) {
		return ""
	}
	for i, arg := range args {
		if (arg == "--sandbox" || arg == "--changed") && i+1 < len(args) && strings.Contains(err.Error(), strconv.Quote(args[i+1])) {
			return arg + "=" + args[i+1]
		}
	}
	return ""
}

func newRootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:               "shipit",
		Short:             "Deploy microservices described in CUE, to healthy or back",
		Long:              rootHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              noArgs,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("version") {
				return s.version()
			}
			return cmd.Help()
		},
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		var twice *twiceError
		if errors.As(err, &twice) {
			err = twice
		}
		return usageError{err}
	})
	root.AddCommand(
		newInitCommand(s),
		newValidateCommand(s),
		newFmtCommand(s),
		newExplainCommand(s),
		newRenderCommand(s),
		newBuildCommand(s),
		newDeployCommand(s),
		newStatusCommand(s),
		newHistoryCommand(s),
		newLogsCommand(s),
		newRollbackCommand(s),
		newDeleteCommand(s),
		newSandboxCommand(s),
		newCompletionCommand(s),
		newVersionCommand(s),
	)
	root.Flags().Bool("version", false, "print the version")
	for _, c := range root.Commands() {
		quietly(c)
	}
	return root
}

// completing reports whether a shell asks how a command line may go on. Cobra sets
// flags twice then.
func completing(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// onlyOnce has a flag that takes one value refuse a second one, of which there is
// no telling which is meant.
func onlyOnce(f *pflag.Flag) {
	if _, many := f.Value.(pflag.SliceValue); many || f.Value.Type() == "bool" {
		return
	}
	if f.Value.Type() == "duration" && f.DefValue == "0s" {
		f.DefValue = "0" // which help does not print of a type that it does not know
	}
	f.Value = &once{Value: f.Value, flag: f}
}

// once is the value of a flag that may be given once.
type once struct {
	pflag.Value
	flag *pflag.Flag
}

// twiceError is a flag of one value that is given two.
type twiceError struct{ flag, first, second string }

func (e *twiceError) Error() string {
	return fmt.Sprintf("--%s is given twice: %q and %q", e.flag, e.first, e.second)
}

// Hint tells which to drop.
func (e *twiceError) Hint() string { return "it takes one value: leave out the other" }

func (o *once) Set(value string) error {
	if o.flag.Changed {
		return &twiceError{o.flag.Name, o.String(), value}
	}
	return o.Value.Set(value)
}

// fromEnvironment gives every flag that the command line left alone the value
// of its SHIPIT_ variable, if that is set and not empty.
func fromEnvironment(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "SHIPIT_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		// SHIPIT_SANDBOX names the sandbox's program, which is older than the flag.
		if value == "" || f.Changed || first != nil || f.Name == "help" || f.Name == "version" || f.Name == "sandbox" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = usagef("%s=%q: %w", name, value, err)
		}
	})
	return first
}

// noArgs is cobra.NoArgs as a usage error, naming the nearest command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usagef("%s takes no arguments, not %q", cmd.CommandPath(), args[0])
	}
	for _, c := range cmd.Commands() { // a word of another tool's says more than letters do
		if slices.Contains(c.SuggestFor, args[0]) {
			return usagef("there is no command %q; did you mean %q?", args[0], c.Name())
		}
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("there is no command %q; did you mean %q?", args[0], near[0])
	}
	return usagef("there is no command %q", args[0])
}

// maxArgs is cobra.MaximumNArgs as a usage error.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("%s takes at most %d argument(s), not %d", cmd.CommandPath(), n, len(args))
		}
		return nil
	}
}
