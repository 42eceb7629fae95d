package schema_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

// FuzzMutations gives Load the projects of testdata and of the examples with a file
// that is changed as a tree is: values of another kind, fields twice, references to
// themselves. It must end in an App, or in errors in plain words.
func FuzzMutations(f *testing.F) {
	projects := mutable(f)
	for seed := range uint64(24) {
		f.Add(uint16(seed*37), seed)
	}
	if flag.Lookup("test.fuzz").Value.String() != "" {
		for i := range projects {
			f.Add(uint16(i), uint64(i))
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, seed uint64) {
		archive := projects[int(which)%len(projects)]
		changed, lines := mutated(archive, seed)
		if changed == nil {
			t.Skip()
		}
		dir := filepath.Join(extract(t, changed), directive(archive, "dir"))
		text := string(txtar.Format(changed))
		out := evaluateElsewhere(t, append([]string{dir, directive(archive, "environment"), fmt.Sprint(seed%2 == 0)}, strings.Fields(directive(archive, "tags"))...))
		if out.Panic != "" || out.Empty {
			t.Errorf("Load gave %+v", out)
		}
		for _, e := range out.Errors {
			plain(t, e, text)
			if e.Message == "" || e.Code == "" || e.Pos.Line > lines {
				t.Errorf("an error that says too little: %+v", e)
			}
		}
		if t.Failed() {
			t.Log(text)
		}
	})
}

// outcome is what an evaluation in another process came to.
type outcome struct {
	Errors []*schema.Error // and warnings
	Empty  bool            // there is an App without a name or services
	Panic  string          // what is no error for people
}

// evaluateElsewhere loads a project in a process of its own: an evaluation that goes
// beyond a limit ends only with its process.
func evaluateElsewhere(t *testing.T, args []string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "mutated", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var o outcome
	switch {
	case ctx.Err() != nil: // a busy machine
	case err != nil:
		o.Panic = fmt.Sprintf("%v: %s", err, errs.String())
	default:
		if err := gob.NewDecoder(&out).Decode(&o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// evaluateMutated is that process.
func evaluateMutated() {
	all := os.Args[3] == "true"
	opts := schema.Options{Environment: os.Args[2], Tags: os.Args[4:], Limits: schema.Limitations{Time: 3 * time.Second}}
	var apps []*schema.App
	var err error
	if all {
		apps, err = schema.LoadAll(context.Background(), os.Args[1], opts)
	} else {
		var app *schema.App
		if app, err = schema.Load(context.Background(), os.Args[1], opts); err == nil {
			apps = []*schema.App{app}
		}
	}
	var o outcome
	var errs schema.Errors
	switch {
	case errors.As(err, &errs):
		o.Errors = errs
	case err != nil && !errors.As(err, new(*schema.LimitError)) && !errors.As(err, new(*schema.UnknownEnvironmentError)):
		o.Panic = err.Error()
	}
	for _, app := range apps {
		o.Errors = append(o.Errors, app.Warnings...)
		o.Empty = o.Empty || app.Name == "" || app.Namespace == "" || len(app.Services) == 0
	}
	if err := gob.NewEncoder(os.Stdout).Encode(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cuesWords are those that CUE has for what is wrong.
var cuesWords = regexp.MustCompile(`disjunction|incomplete|conflicting values|field not allowed|mismatched types|out of bound|concrete|_\|_|interpolation|unify|bottom|'[A-Z]{3,}'|cue\.mod/pkg/shipit\.dev/v1/|relaxed\.cue|` +
	`cannot (use|call|range|index|apply|convert)|invalid (operand|operation|argument|index|value)|\bnon-|unresolved|undefined field|reference "|\bcycle\b|arguments? (to|in)\b|explicit error|\b(list|struct|strings)\.[A-Z]|cuelang|<nil>|%!|\badt\.|goroutine|\bdereference|unsupported|must be within|_#?def|\bnull pointer|uint`)

// plain fails for CUE's own words, where they are not the project's.
func plain(t *testing.T, e *schema.Error, text string) {
	t.Helper()
	for _, words := range cuesWords.FindAllString(e.Message+"\n"+e.Why, -1) {
		if !strings.Contains(text, words) {
			t.Errorf("CUE's words %q in:\n%s", words, e.Text())
		}
	}
}

// mutable gives the projects of testdata/errors, and of the examples.
func mutable(t testing.TB) []*txtar.Archive {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []*txtar.Archive
	for _, file := range append(files, "testdata/full.txtar") {
		if !strings.Contains(file, "script") {
			all = append(all, must(txtar.ParseFile(file)))
		}
	}
	examples, err := os.ReadDir("../examples")
	if err != nil || len(all) < 250 {
		t.Fatal(len(all), err)
	}
	for _, e := range examples {
		root := os.DirFS(filepath.Join("../examples", e.Name()))
		archive := &txtar.Archive{}
		err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == "cue.mod/pkg" {
				return fs.SkipDir
			}
			if d.IsDir() {
				return nil
			}
			data, err := fs.ReadFile(root, name)
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "platform" {
			archive.Comment = []byte("\ndir: apps/orders\n")
		}
		all = append(all, archive)
	}
	return all
}

// mutated gives a copy of a project with one of its files changed, and how many
// lines its longest file has; nil when that is not possible.
func mutated(of *txtar.Archive, seed uint64) (*txtar.Archive, int) {
	var cue []int
	for i, f := range of.Files {
		if strings.HasSuffix(f.Name, ".cue") && !strings.HasPrefix(f.Name, "cue.mod/") {
			cue = append(cue, i)
		}
	}
	if len(cue) == 0 {
		return nil, 0
	}
	i := cue[seed%uint64(len(cue))]
	text := mutate(string(of.Files[i].Data), seed)
	if text == "" {
		return nil, 0
	}
	changed := &txtar.Archive{Comment: of.Comment, Files: slices.Clone(of.Files)}
	changed.Files[i].Data = []byte(text)
	lines := 0
	for _, f := range changed.Files {
		lines = max(lines, strings.Count(string(f.Data), "\n")+1)
	}
	return changed, lines
}
