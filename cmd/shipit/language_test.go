package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Every example of the language is valid: loaded, rendered, and checked against
// Kubernetes, in a project that adds only what the example does not say.
func TestExamplesOfTheLanguage(t *testing.T) {
	t.Parallel()
	fields, err := language.Entries()
	if err != nil {
		t.Fatal(err)
	}
	app, err := language.Explain("")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range append(fields, app) {
		if !seen[f.Example] {
			seen[f.Example] = true
			t.Run(f.Path, func(t *testing.T) {
				t.Parallel()
				validExample(t, f.Example)
			})
		}
	}
	if len(seen) < 120 {
		t.Errorf("only %d examples", len(seen))
	}
}

// The examples of rules are valid, too: parts of an App, or of a service.
func TestExamplesOfRules(t *testing.T) {
	t.Parallel()
	app, err := language.Explain("")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rule.All() {
		word := regexp.MustCompile(`^[\w-]+`).FindString(r.Example)
		if slices.Contains([]string{"", "shipit", "sops", "import", "package", "_version", "CUE_REGISTRY"}, word) {
			continue // a command, or of a file
		}
		example := r.Example
		if !slices.ContainsFunc(app.Fields, func(f language.Entry) bool { return f.Name == word }) && word != "if" {
			example = "services: web: {\n\t" + strings.ReplaceAll(example, "\n", "\n\t") + "\n}"
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			validExample(t, example)
		})
	}
}

// validExample validates a part of an App.
func validExample(t *testing.T, example string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/language")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cue.mod/module.cue", "module: \"example.com/shop\"\nlanguage: version: \"v0.14.0\"\n")
	write("app.cue", "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {\n"+example+"\n"+around(example)+"}\n")
	var out, errs bytes.Buffer
	if code := run([]string{"validate", "-C", dir}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 {
		text, _ := os.ReadFile(filepath.Join(dir, "app.cue"))
		t.Errorf("exit code %d\n%s%s", code, errs.String(), text)
	}
}

// around gives what an example needs besides: a name, images, and the services
// that it names.
func around(example string) string {
	var b strings.Builder
	if !regexp.MustCompile(`(?m)^name:`).MatchString(example) {
		b.WriteString("name: \"shop\"\n")
	}
	if !regexp.MustCompile(`(?m)^registry:`).MatchString(example) {
		b.WriteString("registry: *\"registry.example.com/shop\" | string\n")
	}
	image := regexp.MustCompile(`(?m)^services: (\w+: )?(\{\n\t)?(\t\w+: \{\n)?\t*(workload: +"\w+"\n\t)?(image|build):`).MatchString(example)
	main := "web"
	if m := regexp.MustCompile(`(?m)^services: (\w+):`).FindStringSubmatch(example); m != nil {
		main = m[1]
	}
	if !image && !regexp.MustCompile(`(?m)^services: \{`).MatchString(example) {
		fmt.Fprintf(&b, "services: %s: image: \"registry.example.com/%s:1\"\n", main, main)
	}
	for name, port := range map[string]string{"catalog": "http: 8080", "store": "pg: 5432", "web-next": "http: 8080"} {
		named := regexp.MustCompile(`\b` + name + `"?: (\{\}|port|topology|\d)|"` + name + `"$`).MatchString(example)
		if named && main != name && !strings.Contains(example, "\t"+name+": {\n") {
			fmt.Fprintf(&b, "services: %q: {image: \"registry.example.com/%s:1\", ports: %s}\n", name, name, port)
		}
	}
	if strings.Contains(example, "enabled") {
		b.WriteString("services: web: image: \"registry.example.com/web:1\"\n")
	}
	return b.String()
}
