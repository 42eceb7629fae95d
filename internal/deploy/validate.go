package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/shipit-dev/shipit/internal/revision"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Validation is what is wrong with a project in all environments, or in one.
type Validation struct {
	Dir      string           // the project's folder, as it was named
	Apps     []*schema.App    // for each environment; none when they cannot be loaded
	Findings schema.Errors    // errors, then warnings
	Ignored  []schema.Ignored // what the project silences, of all environments
	Older    int              // findings that a revision has too, which are not among Findings
}

// Valid reports whether nothing worse than warnings was found.
func (v *Validation) Valid() bool {
	severe, _ := Severe(v.Findings)
	return len(severe) == 0
}

// Validate loads and checks a project in the environment that opts names, or in
// every one. An error is what kept it from looking, not what it found.
func Validate(ctx context.Context, opts Options) (*Validation, error) {
	v := &Validation{Dir: opts.Dir}
	apps, err := OpenAll(ctx, opts)
	if errors.As(err, &v.Findings) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := CheckAll(apps...)
	if err != nil {
		return nil, err
	}
	severe, mild := Severe(found)
	v.Apps, v.Findings = apps, slices.Concat(severe, Warnings(apps...), mild)
	v.Ignored = ignored(apps)
	return v, nil
}

// Warnings lists what apps are warned of, each warning once.
func Warnings(apps ...*schema.App) schema.Errors {
	var out schema.Errors
	said := map[string]bool{}
	for _, app := range apps {
		for _, w := range app.Warnings {
			if !said[w.Error()] {
				said[w.Error()] = true
				out = append(out, w)
			}
		}
	}
	return out
}

// ValidateBelow is Validate; in a folder of a module or a repository that is in
// no project, for every project below it.
func ValidateBelow(ctx context.Context, opts Options) ([]*Validation, error) {
	v, err := Validate(ctx, opts)
	if err != nil {
		return nil, err
	}
	if len(v.Findings) != 1 || v.Findings[0].Pos.IsValid() || v.Findings[0].Code != rule.NoApp && v.Findings[0].Code != rule.NoProject {
		return []*Validation{v}, nil
	}
	packages, err := schema.Packages(opts.Dir)
	if err != nil {
		if _, err := os.Stat(opts.Dir); err == nil {
			v.Findings[0].Why = "projects below a folder are looked for in a git repository, which it is not in either"
		}
		return []*Validation{v}, nil
	}
	found, err := validateEach(ctx, opts, opts.Dir, packages, nil)
	if err == nil && len(found) == 0 {
		found = []*Validation{v}
	}
	return found, err
}

// ignored lists what apps silence, each once.
func ignored(apps []*schema.App) []schema.Ignored {
	var out []schema.Ignored
	said := map[string]bool{}
	for _, app := range apps {
		for _, i := range app.Ignored {
			if key := i.Rule + i.Error.Error(); !said[key] {
				said[key] = true
				out = append(out, i)
			}
		}
	}
	return out
}

// ValidateSince is Validate for every project at or below opts.Dir that a file
// which differs from a git revision can matter to, with what is wrong now and
// was not then. Folders of CUE that hold no App are passed over.
func ValidateSince(ctx context.Context, opts Options, name string) ([]*Validation, error) {
	rev, err := revision.Open(ctx, opts.Dir, name)
	if err != nil {
		return nil, err
	}
	changed, err := rev.Changed(ctx)
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	// The repository speaks of its files without links.
	dir, err := filepath.EvalSymlinks(opts.Dir)
	if err != nil {
		return nil, err
	}
	packages, err := schema.Packages(dir)
	if err != nil {
		return nil, err
	}
	packages = slices.DeleteFunc(packages, func(p schema.Project) bool {
		return !slices.ContainsFunc(changed, p.Reads(opts.load()))
	})
	return validateEach(ctx, opts, dir, packages, rev)
}

// validateEach validates the packages below dir that are Apps. With a revision, it
// drops what is older.
func validateEach(ctx context.Context, opts Options, dir string, packages []schema.Project, rev *revision.Revision) ([]*Validation, error) {
	var out []*Validation
	for _, p := range packages {
		here := opts
		here.Dir = nearer(dir, opts.Dir, p.Dir)
		v, err := Validate(ctx, here)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", here.Dir, err)
		}
		if len(v.Findings) == 1 && v.Findings[0].Code == rule.NoApp {
			continue
		}
		if rev != nil && len(v.Findings) > 0 {
			if err := v.dropOlder(ctx, here, p, rev); err != nil {
				return nil, err
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// nearer gives folder, which is at or below dir, as seen from what the user
// called dir.
func nearer(dir, called, folder string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		if rel, err := filepath.Rel(abs, folder); err == nil {
			return filepath.Join(called, rel)
		}
	}
	return folder
}

// dropOlder takes out what the project had wrong at a revision already. A
// project that is new since then has nothing older.
func (v *Validation) dropOlder(ctx context.Context, opts Options, p schema.Project, rev *revision.Revision) error {
	then, err := os.MkdirTemp("", "shipit-then-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(then)
	if err := rev.Extract(ctx, p.Root, then); err != nil {
		return err
	}
	rel, err := filepath.Rel(p.Root, p.Dir)
	if err != nil {
		return err
	}
	opts.Dir = filepath.Join(then, rel)
	if there, err := schema.Find(opts.Dir); err != nil || there.Dir != opts.Dir {
		return nil
	}
	old, err := Validate(ctx, opts)
	if err != nil {
		return nil // such as an environment that was not there
	}
	known := map[string]bool{}
	for _, e := range old.Findings {
		known[lasting(e)] = true
	}
	all := len(v.Findings)
	v.Findings = slices.DeleteFunc(v.Findings, func(e *schema.Error) bool { return known[lasting(e)] })
	v.Older = all - len(v.Findings)
	return nil
}

var linesAndColumns = regexp.MustCompile(`:\d+(:\d+)?`)

// lasting is what of an error stays the same when lines move.
func lasting(e *schema.Error) string {
	return fmt.Sprint(e.Rule, e.Code, e.Pos.File, e.Path, e.Environments, linesAndColumns.ReplaceAllString(e.Message, ""))
}
