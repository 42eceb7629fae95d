package main

import (
	"context"
	"errors"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

type validateFlags struct {
	project               projectFlags
	cluster               clusterFlags
	output, changed, crds string
	raw, verbose          bool
	server, images        bool
}

func newValidateCommand(s streams) *cobra.Command {
	var f validateFlags
	cmd := &cobra.Command{
		Use:        "validate",
		SuggestFor: []string{"lint", "check", "vet", "test"},
		Short:      "Check a project in every environment, without a cluster or with its own",
		Long: `Check a project in every environment, or in the one that -e names, without a
cluster. In a folder of a repository that is in no project, check every project
below it. The forms for CI systems (sarif, junit, github) name files from the
folder that shipit was started in.

With --changed, check every project at or below the folder that a changed file
can matter to, and tell what is wrong now and was not at the git revision: the
last commit, or the one given, as in --changed=v1.4 or --changed=origin/main...
(where this branch left it).

With --server (or --sandbox), also ask the cluster of each environment, and
write nothing: a dry run of all that would change, whether pods would be let in,
what quotas leave, what is referred to and called, and what you may do. With
--images, also ask the registries of images that are not built from source
whether they are there, and can run as they are to, as a deploy does.

What a comment // shipit:ignore RULE REASON silences is counted; -v lists it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), s) },
	}
	f.project.add(cmd)
	f.cluster.add(cmd)
	cmd.Flags().BoolVar(&f.server, "server", false, "also ask the cluster of each environment; nothing is written")
	cmd.Flags().BoolVar(&f.images, "images", false, "also ask registries how images run: as whom, and where they write")
	cmd.Flags().StringVar(&f.crds, "crds", "", "a folder with CustomResourceDefinitions that the cluster has (beside the app's crds)")
	directories(cmd, "crds")
	addFormats(cmd, &f.output, "text", "json", "sarif", "junit", "github")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "show CUE's own words where it had any")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list what the project ignores, and why")
	cmd.Flags().StringVar(&f.changed, "changed", "", "only what differs from a git revision, the last commit unless named")
	cmd.Flags().Lookup("changed").NoOptDefVal = "HEAD"
	completeFlag(cmd, "changed", revisions)
	return cmd
}

func (f *validateFlags) run(ctx context.Context, s streams) error {
	r := &report{document: newDocument(), dir: f.project.dir, Valid: true}
	formats := r.formats()
	if f.output != "text" && formats[f.output] == nil {
		known := slices.Sorted(maps.Keys(formats))
		return usagef("-o %s: the formats are text, %s", f.output, strings.Join(known, ", "))
	}
	opts := f.project.options(f.cluster.namespace())
	opts.CRDs = f.crds
	found, err := validations(ctx, opts, f.changed)
	if err != nil {
		return err
	}
	unchecked := f.ask(ctx, s, found)
	if f.raw {
		for _, v := range found {
			v.Findings = inOwnWords(v.Findings)
		}
	}
	if f.changed != "" || len(found) != 1 || found[0].Dir != f.project.dir {
		r.dir = ""
		fromHere(found)
	}
	for _, v := range found {
		r.add(v)
	}
	if f.output == "text" {
		return errors.Join(s.validated(found, f.changed, f.verbose), unchecked)
	}
	data, err := formats[f.output]()
	if err != nil {
		return err
	}
	if _, err := s.out.Write(data); err != nil {
		return err
	}
	if !r.Valid {
		return exitStatus(exitInvalid)
	}
	return unchecked
}

// ask has clusters and registries say what they have against projects, when that is
// wanted. What it gives kept them from it.
func (f *validateFlags) ask(ctx context.Context, s streams, found []*deploy.Validation) error {
	var unchecked error
	if f.server || f.cluster.sandbox != "" {
		unchecked = f.cluster.check(ctx, s, found)
	}
	if f.images {
		for _, v := range found {
			unchecked = errors.Join(unchecked, v.CheckImages(ctx, imageCache()))
		}
	}
	return unchecked
}

// fromHere names files from where shipit was started, and no longer from their project.
func fromHere(found []*deploy.Validation) {
	for _, v := range found {
		v.Findings = from(v.Dir, v.Findings)
		for i := range v.Ignored {
			v.Ignored[i].Error = from(v.Dir, schema.Errors{v.Ignored[i].Error})[0]
		}
	}
}

// validations checks the project, or those that changed since a revision.
func validations(ctx context.Context, opts deploy.Options, since string) ([]*deploy.Validation, error) {
	if since != "" {
		return deploy.ValidateSince(ctx, opts, since)
	}
	return deploy.ValidateBelow(ctx, opts)
}

// check asks the cluster of every environment of what was found.
func (f *clusterFlags) check(ctx context.Context, s streams, found []*deploy.Validation) error {
	return deploy.CheckServer(ctx, found, func(app *schema.App) (*apply.Client, error) {
		t, err := f.connect(ctx, s, app)
		if err != nil {
			return nil, err
		}
		return t.client(ctx, app)
	})
}

// validated prints what was found in words.
func (s streams) validated(found []*deploy.Validation, since string, verbose bool) error {
	var invalid []error
	var warned schema.Errors
	for _, v := range found {
		severe, mild := deploy.Severe(v.Findings)
		s.warnings(mild)
		warned = append(warned, mild...)
		if v.Older > 0 {
			s.note("%s: %s not told, as %s has it too", v.Dir, plural(v.Older, "finding"), since)
		}
		if len(severe) > 0 {
			s.ignored(v.Ignored, verbose)
			invalid = append(invalid, severe)
			continue
		}
		for _, a := range v.Apps {
			where := ""
			if a.Environment != "" {
				where = " in " + a.Environment
			}
			s.note("%s%s: %s, valid", a.Name, where, plural(len(a.Services), "service"))
		}
		s.ignored(v.Ignored, verbose)
	}
	if since != "" && len(found) == 0 {
		s.note("no project differs from %s", since)
	}
	if len(invalid) == 0 {
		s.more(warned)
	}
	return errors.Join(invalid...)
}

// ignored says how much a project silences, or what.
func (s streams) ignored(all []schema.Ignored, verbose bool) {
	switch {
	case len(all) > 0 && !verbose:
		s.note("%s ignored with %s (-v lists what, and why)", plural(len(all), "finding"), "shipit:ignore")
	case verbose:
		for _, i := range all {
			s.note("ignored: %s\n  %s: %s", i.Error.Error(), i.Rule, i.Reason)
		}
	}
}

// inOwnWords puts the words of CUE in place of ours.
func inOwnWords(findings schema.Errors) schema.Errors {
	return altered(findings, func(e *schema.Error) {
		if e.Raw != "" {
			e.Message = e.Raw
		}
	})
}

// from names the files of findings from where shipit was started.
func from(dir string, findings schema.Errors) schema.Errors {
	name := func(p *schema.Pos) {
		if p.File != "" && p.Module == "" {
			p.File = path.Join(filepath.ToSlash(dir), p.File)
		}
	}
	return altered(findings, func(e *schema.Error) {
		name(&e.Pos)
		e.Related = slices.Clone(e.Related)
		for i := range e.Related {
			name(&e.Related[i])
		}
	})
}

// altered changes copies of findings.
func altered(findings schema.Errors, change func(*schema.Error)) schema.Errors {
	out := make(schema.Errors, len(findings))
	for i, e := range findings {
		told := *e
		change(&told)
		out[i] = &told
	}
	return out
}
