package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

// completionTime is how long a shell that completes a word may have to wait.
const completionTime = 3 * time.Second

// candidates returns what a word on the command line may be. It prints nothing, and
// returns nothing where it cannot tell.
type candidates func(ctx context.Context, cmd *cobra.Command, args []string) []cobra.Completion

func (c candidates) inTime(cmd *cobra.Command, args []string) []cobra.Completion {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	if fromEnvironment(cmd.Flags()) != nil {
		return nil
	}
	return c(ctx, cmd, args)
}

// completeFlag offers what c returns as values of a flag.
func completeFlag(cmd *cobra.Command, name string, c candidates) {
	must(cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.inTime(cmd, args), cobra.ShellCompDirectiveNoFileComp
	}))
}

// directories offers directories as values of a flag.
func directories(cmd *cobra.Command, name string) { must(cmd.MarkFlagDirname(name)) }

// files offers files as values of a flag.
func files(cmd *cobra.Command, name string) { must(cmd.MarkFlagFilename(name)) }

// must holds unless a command has no flag of that name, or one with a completion.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// addFormats adds the flag that chooses between forms of output, the first of which is
// the default.
func addFormats(cmd *cobra.Command, output *string, formats ...string) {
	last := len(formats) - 1
	usage := strings.Join(formats[:last], ", ") + " or " + formats[last]
	cmd.Flags().StringVarP(output, "output", "o", formats[0], usage)
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
}

// completeArgs offers what c returns as arguments, each of them once, and at most most
// of them.
func completeArgs(most int, c candidates) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(c.inTime(cmd, args), func(name cobra.Completion) bool {
			return slices.Contains(args, name)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// many is the number of arguments of a command that takes any number.
const many = 1 << 10

// quietly keeps a shell from offering the names of files where none is meant.
func quietly(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, registered := cmd.GetFlagCompletionFunc(f.Name)
		_, files := f.Annotations[cobra.BashCompFilenameExt]
		_, dirs := f.Annotations[cobra.BashCompSubdirsInDir]
		if registered || files || dirs || f.Value.Type() == "bool" {
			return
		}
		completeFlag(cmd, f.Name, noCandidates)
	})
}

func noCandidates(context.Context, *cobra.Command, []string) []cobra.Completion { return nil }

// flagValue is what the command line says of a flag, or "" where there is none.
func flagValue(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// projectOf is the project that the flags of cmd name.
func projectOf(cmd *cobra.Command) deploy.Options {
	f := projectFlags{dir: flagValue(cmd, "dir"), environment: flagValue(cmd, "environment")}
	f.tags, _ = cmd.Flags().GetStringArray("tag")
	return f.options("")
}

// services are those of the project, or of the app that --app names.
func (s streams) services(ctx context.Context, cmd *cobra.Command, _ []string) []cobra.Completion {
	if flagValue(cmd, "app") != "" {
		return s.deployed(ctx, cmd, nil)
	}
	apps, _ := deploy.OpenAll(ctx, projectOf(cmd))
	var out []string
	for _, app := range apps {
		for _, service := range app.Services {
			out = append(out, service.Name)
		}
	}
	return names(out)
}

// deployed are the services that the cluster has of an app.
func (s streams) deployed(ctx context.Context, cmd *cobra.Command, _ []string) []cobra.Completion {
	client, err := s.clientOf(ctx, cmd)
	if err != nil {
		return nil
	}
	units, err := client.History(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, u := range units {
		out = append(out, u.Name)
	}
	return names(out)
}

// clientOf makes a client for the app and the cluster that the flags of cmd name.
func (s streams) clientOf(ctx context.Context, cmd *cobra.Command) (*apply.Client, error) {
	options := projectOf(cmd)
	f := deployedFlags{app: flagValue(cmd, "app"), projectFlags: projectFlags{dir: options.Dir, tags: options.Tags, environment: options.Environment}}
	f.sandbox = flagValue(cmd, "sandbox")
	f.kube.kubeconfig, f.kube.context, f.kube.namespace = flagValue(cmd, "kubeconfig"), flagValue(cmd, "context"), flagValue(cmd, "namespace")
	_, client, err := f.open(ctx, s)
	return client, err
}

// environmentNames are the project's.
func environmentNames(ctx context.Context, cmd *cobra.Command, _ []string) []cobra.Completion {
	options := projectOf(cmd)
	known, _ := schema.Environments(ctx, options.Dir, schema.Options{Tags: options.Tags, Env: options.Env})
	return names(known)
}

// contextNames are those of the kubeconfig.
func contextNames(_ context.Context, cmd *cobra.Command, _ []string) []cobra.Completion {
	kube := kubeFlags{kubeconfig: flagValue(cmd, "kubeconfig"), timeout: "0"}
	raw, err := kube.loader().RawConfig()
	if err != nil {
		return nil
	}
	return names(slices.Collect(maps.Keys(raw.Contexts)))
}

// releases are the numbers that services can return to, newest first.
func (s streams) releases(ctx context.Context, cmd *cobra.Command, args []string) []cobra.Completion {
	return s.earlier(ctx, cmd, args, func(unit string, r apply.Release) (word, about string) {
		return strconv.Itoa(r.Number), fmt.Sprintf("%s, %s ago, by %s", unit, age(r.At), r.By)
	})
}

// deploys are those whose releases services can return to, newest first.
func (s streams) deploys(ctx context.Context, cmd *cobra.Command, args []string) []cobra.Completion {
	return s.earlier(ctx, cmd, args, func(_ string, r apply.Release) (word, about string) {
		return r.DeployID, fmt.Sprintf("%s ago, by %s", age(r.At), r.By)
	})
}

// earlier are words about all releases but the current ones.
func (s streams) earlier(ctx context.Context, cmd *cobra.Command, args []string, say func(string, apply.Release) (string, string)) []cobra.Completion {
	client, err := s.clientOf(ctx, cmd)
	if err != nil {
		return nil
	}
	units, err := client.History(ctx, args...)
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	var out []cobra.Completion
	for _, u := range units {
		for _, r := range u.Releases {
			if word, about := say(u.Name, r); !r.Current && !seen[word] {
				seen[word] = true
				out = append(out, cobra.CompletionWithDesc(word, about))
			}
		}
	}
	return out
}

func age(at time.Time) string { return short(time.Since(at).Round(time.Second)) }

// revisions are the branches and tags of the repository around the project.
func revisions(ctx context.Context, cmd *cobra.Command, _ []string) []cobra.Completion {
	git := exec.CommandContext(ctx, "git", "-C", filepath.Clean(flagValue(cmd, "dir")), "for-each-ref", "--format=%(refname:short)")
	out, err := git.Output()
	if err != nil {
		return nil
	}
	return names(strings.Fields(string(out)))
}

// sandboxNames are those there are on this machine.
func sandboxNames(ctx context.Context, _ *cobra.Command, _ []string) []cobra.Completion {
	program, err := sandboxProgram()
	if err != nil {
		return nil
	}
	known, _ := sandboxes(ctx, program)
	return names(known)
}

// completeSandbox asks the sandbox's own program what may follow.
func completeSandbox(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	program, err := sandboxProgram()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	out, err := output(ctx, program, slices.Concat([]string{cobra.ShellCompRequestCmd}, args, []string{typed})...)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	// A line for each, and one with the directive: cobra's ShellCompRequestCmd.
	lines, last, _ := bytes.Cut(out, []byte("\n:"))
	directive, err := strconv.Atoi(string(bytes.TrimSpace(last)))
	if rest, ok := bytes.CutPrefix(out, []byte(":")); ok { // there are none
		lines = nil
		directive, err = strconv.Atoi(string(bytes.TrimSpace(rest)))
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for line := range strings.Lines(string(lines)) {
		all = append(all, strings.TrimSpace(line))
	}
	return all, cobra.ShellCompDirective(directive)
}

// names are words, sorted, each of them once.
func names(words []string) []cobra.Completion {
	return slices.Compact(slices.Sorted(slices.Values(words)))
}
