package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/language"
)

// deployedApps are the apps that the scripts of testdata/script/cluster deploy.
var deployedApps = []struct {
	script      string
	base        string // what the script copies; "" is none
	dir         string // of the App in it
	environment string
	tags        []string
}{
	{script: "gateway", base: "examples/gateway"},
	{script: "hello", base: "examples/hello"},
	{script: "platform", base: "examples/platform", dir: "apps/orders"},
	{script: "platform", base: "examples/platform", dir: "apps/reports"},
	{script: "preview", environment: "preview"},
	{script: "prod", base: "examples/shop", environment: "prod"},
	{script: "relaxed", base: "testdata/table", dir: "node"},
	{script: "repositories", dir: "billing"},
	{script: "repositories", dir: "catalog"},
	{script: "repositories", dir: "web"},
	{script: "sealed", base: "examples/sealed", environment: "prod"},
	{script: "sealed", base: "examples/sealed", environment: "staging"},
	{script: "shop", base: "examples/shop", environment: "dev"},
	{script: "store", base: "examples/store"},
	{script: "table", base: "testdata/table", dir: "app", environment: "test"},
	{script: "worker", base: "examples/worker"},
}

// notDeployed are the fields that no script can deploy, with the reason.
var notDeployed = map[string]string{}

// Every field of the language is deployed to a real cluster by a script.
func TestEveryFieldIsDeployed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, a := range deployedApps {
		for _, path := range usesOf(t, a.script, a.base, a.dir, a.environment, a.tags) {
			used[path] = true
		}
	}
	fields, err := language.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		reason, excused := notDeployed[f.Path]
		switch {
		case !used[f.Path] && !excused:
			t.Errorf("no script deploys an app with %s: write it in testdata/table", f.Path)
		case used[f.Path] && excused:
			t.Errorf("%s is deployed, though it says that it is not: %s", f.Path, reason)
		}
	}
}

// usesOf gives the fields that an app uses as its script deploys it.
func usesOf(t *testing.T, script, base, app, environment string, tags []string) []string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("../../testdata/script/cluster", script+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(archive.Comment), "shipit deploy") {
		t.Errorf("%s deploys nothing", script)
	}
	dir := t.TempDir()
	if base != "" {
		if copies := "exec cp -r " + strings.NewReplacer("examples/", "$EXAMPLES/", "testdata/table", "$TABLE").Replace(base) + " "; !strings.Contains(string(archive.Comment), copies) {
			t.Errorf("%s does not copy %s", script, base)
		}
		if err := os.CopyFS(filepath.Join(dir, filepath.Base(base)), os.DirFS(filepath.Join("../..", base))); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "../") {
			continue
		}
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if base == "" {
		base = "."
	}
	for _, folder := range []string{"", "see"} { // what scripts copy there to be built
		program := filepath.Join(dir, filepath.Base(base), app, folder, "main.go")
		if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), os.WriteFile(program, []byte("package main\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := schema.Load(t.Context(), filepath.Join(dir, filepath.Base(base), app), schema.Options{Environment: environment, Tags: tags})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	uses, err := loaded.Uses()
	if err != nil {
		t.Fatal(err)
	}
	if len(uses) == 0 || !slices.Contains(uses, "name") {
		t.Errorf("%s %s uses %v", script, app, uses)
	}
	return uses
}
