package schema_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

var update = flag.Bool("update", false, "write what Load says into testdata")

// TestErrors loads the projects in testdata/errors and compares what Load says
// with each one's file want. The comment of an archive may have lines
// "dir: FOLDER", "tags: TAG…", "environment: NAME" and "all: true" (for LoadAll);
// a project without a module file gets one.
func TestErrors(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 120 {
		t.Fatalf("only %d cases", len(cases))
	}
	distinct(t, cases)
	known := map[string]bool{}
	for _, r := range rule.All() {
		known[r.Name] = true
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := extract(t, archive)
			opts := schema.Options{Tags: strings.Fields(directive(archive, "tags")), Environment: directive(archive, "environment")}
			folder := filepath.Join(dir, directive(archive, "dir"))
			if directive(archive, "all") != "" {
				_, err = schema.LoadAll(t.Context(), folder, opts)
			} else {
				_, err = schema.Load(t.Context(), folder, opts)
			}
			var errs schema.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("Load gave %v, want schema.Errors", err)
			}
			var got strings.Builder
			for _, e := range errs {
				got.WriteString(e.Text() + "\n")
				// Only a project that is not there, and a tag that no file has, are nowhere.
				if !e.Pos.IsValid() && e.Code != rule.NoProject && e.Code != rule.Tag && e.Message != "no CUE files in "+dir {
					t.Errorf("it does not say where: %v", e)
				}
				if e.Code == "" || e.Severity != rule.Error || !known[e.Rule] {
					t.Errorf("code %q, rule %q, severity %q: %v", e.Code, e.Rule, e.Severity, e)
				}
			}
			text := strings.ReplaceAll(got.String(), dir, "$DIR")
			jargon(t, text)
			compare(t, file, archive, text)
		})
	}
}

// TestWarned loads the projects in testdata/warnings, as TestErrors does, and compares
// the warnings about them.
func TestWarned(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/warnings/*.txtar")
	if err != nil || len(cases) < 3 {
		t.Fatal(cases, err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive := must(txtar.ParseFile(file))
			app, err := schema.Load(t.Context(), extract(t, archive), schema.Options{Environment: directive(archive, "environment")})
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, w := range app.Warnings {
				if w.Code == rule.StaleSchema {
					continue
				}
				got.WriteString(w.Text() + "\n")
				if r, _ := rule.Named(w.Rule); !w.Pos.IsValid() || w.Severity != rule.Warning || r.Severity != rule.Warning {
					t.Errorf("rule %q, severity %q: %v", w.Rule, w.Severity, w)
				}
			}
			jargon(t, got.String())
			compare(t, file, archive, got.String())
		})
	}
}

// compare fails for a text that is not an archive's file want, or writes it.
func compare(t *testing.T, name string, archive *txtar.Archive, text string) {
	t.Helper()
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	switch {
	case i < 0:
		t.Fatal("no file want")
	case string(archive.Files[i].Data) == text:
	case !*update:
		t.Fatalf("Load says:\n%s\nwant:\n%s", text, archive.Files[i].Data)
	default:
		archive.Files[i].Data = []byte(text)
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// distinct fails for cases of the same files.
func distinct(t *testing.T, cases []string) {
	t.Helper()
	known := map[string]string{}
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
		_, directives, _ := strings.Cut(string(archive.Comment), "\n")
		archive.Comment = []byte(directives)
		if text := string(txtar.Format(archive)); known[text] != "" {
			t.Errorf("%s and %s are the same", known[text], name)
		} else {
			known[text] = name
		}
	}
}

// jargon fails for CUE's own words in a text for people.
func jargon(t *testing.T, text string) {
	t.Helper()
	for _, words := range []string{
		"disjunction", "incomplete", "conflicting values", "field not allowed", "mismatched types",
		"out of bound", "concrete", "_|_", "interpolation", "unify", "bottom", "structural cycle", "'STRING'", "'IDENT'", "'EOF'", "cue.mod/pkg/shipit.dev/v1/", "relaxed.cue",
	} {
		if strings.Contains(text, words) {
			t.Errorf("CUE's words %q in:\n%s", words, text)
		}
	}
}

func directive(a *txtar.Archive, key string) string {
	m := regexp.MustCompile(`(?m)^` + key + `: (.*)$`).FindSubmatch(a.Comment)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// extract makes a project of an archive.
func extract(t testing.TB, a *txtar.Archive) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	module := false
	for _, f := range a.Files {
		if f.Name == "want" {
			continue
		}
		module = module || strings.Contains(f.Name, "cue.mod")
		write(t, filepath.Join(dir, filepath.FromSlash(f.Name)), string(f.Data))
	}
	if !module {
		write(t, filepath.Join(dir, "cue.mod", "module.cue"), "module: \"example.com/hello\"\nlanguage: version: \"v0.14.0\"\n")
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// project makes a project of one file.
func project(t testing.TB, text string) string {
	t.Helper()
	return extract(t, txtar.Parse([]byte("-- shop.cue --\n"+text)))
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := extract(t, must(txtar.ParseFile("testdata/full.txtar")))
	app, err := schema.Load(t.Context(), dir, schema.Options{Tags: []string{"host=localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/full.golden", dump(app, dir))
}

// A module may hold several apps, and a folder below the package belongs to it.
func TestLoadNearestPackage(t *testing.T) {
	t.Parallel()
	dir := extract(t, txtar.Parse([]byte(`
-- apps/shop/shop.cue --
package shop
import "shipit.dev/v1"
v1.#App & {name: "shop", services: web: image: "nginx"}
-- apps/shop/web/main.go --
package main
`)))
	app, err := schema.Load(t.Context(), filepath.Join(dir, "apps", "shop", "web"), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "apps", "shop"); app.Dir != want || app.Source != "example.com/hello" {
		t.Errorf("Dir %s, Source %s; want %s, example.com/hello", app.Dir, app.Source, want)
	}
	if got := app.Position("services.web.probes.startup").String(); got != "shop.cue:3:36" {
		t.Errorf("services.web was found at %s", got)
	}
}

// The vendored schema may be old or broken: only a warning tells.
func TestLoadStaleSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := schema.Init(dir, schema.InitOptions{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	load := func() *schema.App {
		t.Helper()
		app, err := schema.Load(t.Context(), dir, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return app
	}
	if app := load(); len(app.Warnings) != 0 {
		t.Errorf("a fresh project has the warnings %v", app.Warnings)
	}
	vendored := filepath.Join(dir, "cue.mod", "pkg", "shipit.dev", "v1")
	write(t, filepath.Join(vendored, "old.cue"), "package v1\n#App: name: 5\n")
	write(t, filepath.Join(dir, "cue.mod", "gen", "shipit.dev", "v1", "x.cue"), "package v1\n#App: name: 5\n")
	write(t, filepath.Join(vendored, "app.cue"), "package v1\nnot CUE")
	if app := load(); len(app.Warnings) != 1 || app.Warnings[0].Code != rule.StaleSchema {
		t.Errorf("a stale copy gave the warnings %v", app.Warnings)
	}
	if _, err := schema.Update(dir); err != nil {
		t.Fatal(err)
	}
	if app := load(); len(app.Warnings) != 0 {
		t.Errorf("after Update there are the warnings %v", app.Warnings)
	}
}

func TestLoadLinkOutside(t *testing.T) {
	t.Parallel()
	dir := project(t, "package shop\n")
	outside := filepath.Join(t.TempDir(), "secret.cue")
	write(t, outside, "package shop\nname: \"secret\"\n")
	if err := os.Symlink(outside, filepath.Join(dir, "link.cue")); err != nil {
		t.Skip(err)
	}
	_, err := schema.Load(t.Context(), dir, schema.Options{})
	if err == nil || !strings.Contains(err.Error(), "link.cue:1:1: this is a link to a file outside the project") {
		t.Errorf("Load gave %v", err)
	}
}

// An evaluation that takes too long does not outlive the caller's patience.
func TestLoadDeadline(t *testing.T) {
	t.Parallel()
	dir := project(t, `package shop
import ("shipit.dev/v1", "list")
_n: list.Range(0, 50, 1) // a second: it goes on beside other tests
_slow: [for a in _n for b in _n for c in _n if a*b*c == 1 {a}]
v1.#App & {name: "shop", services: web: {image: "nginx", replicas: len(_slow)}}
`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := schema.Load(ctx, dir, schema.Options{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load gave %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
}
