package main

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/schema"
)

func newInitCommand(s streams) *cobra.Command {
	var opts schema.InitOptions
	var update bool
	cmd := &cobra.Command{
		Use:        "init [DIR]",
		SuggestFor: []string{"create", "new"},
		Short:      "Make a project, or refresh the schema in one",
		Long: `Make a project in DIR (default: here): a CUE module, a first app, and a copy of
the schema shipit.dev/v1, so that cue vet and the CUE language server work on it
with no network. Files that exist are never overwritten; --update writes the
copy of the schema again, and nothing else.`,
		Example: "  shipit init shop\n  shipit init --update",
		Args:    maxArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			run := func() ([]string, error) { return schema.Init(dir, opts) }
			if update {
				run = func() ([]string, error) { return schema.Update(dir) }
			}
			files, err := run()
			if err != nil {
				return err
			}
			if update && len(files) == 0 {
				s.note("the schema is up to date")
			}
			s.wrote(dir, files)
			if !update {
				s.next(dir)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&opts.Name, "name", "", "the app's name (default: the directory's)")
	cmd.Flags().StringVar(&opts.Module, "module", "", "the CUE module's path (default: NAME.example)")
	cmd.Flags().BoolVar(&update, "update", false, "write the copy of the schema again")
	return cmd
}

// wrote lists the files of a project that were written, those of the schema as one.
func (s streams) wrote(dir string, files []string) {
	const packages = "cue.mod/pkg/" // where CUE looks for what is in no module
	vendored := 0
	for _, f := range files {
		if strings.HasPrefix(f, packages) {
			vendored++
			continue
		}
		s.note("wrote %s", filepath.Join(dir, f))
	}
	if vendored > 0 {
		s.note("wrote %s (%s): the schema, for editors and cue vet", filepath.Join(dir, packages), plural(vendored, "file"))
	}
}

// next says which commands to type in a new project.
func (s streams) next(dir string) {
	s.note("\nnext:")
	if strings.ContainsAny(dir, " '\"$&;()") {
		dir = strconv.Quote(dir)
	}
	if dir != "." {
		s.note("  cd %s", dir)
	}
	s.note("  shipit validate            # check it, with no cluster")
	s.note("  shipit deploy --sandbox    # run it on this machine; without --sandbox, on your kubeconfig's cluster")
	s.note("  shipit explain services    # what a service may have")
}
