package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Whatever a folder is called, a project made in it is valid.
func TestInitNames(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]string{
		"shop":                  "shop",
		"My Shop_2":             "my-shop-2",
		"2048":                  "app",
		"--x--":                 "x",
		"für":                   "f-r",
		"import":                "import",
		"in":                    "in",
		"_":                     "app",
		strings.Repeat("a", 80): strings.Repeat("a", 63),
		"true":                  "true",
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), folder)
			if _, err := schema.Init(dir, schema.InitOptions{}); err != nil {
				t.Fatal(err)
			}
			app, err := schema.Load(t.Context(), dir, schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if app.Name != want || len(app.Warnings) != 0 {
				t.Errorf("name %q, warnings %v; want %q and none", app.Name, app.Warnings, want)
			}
		})
	}
}

func TestInitOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := schema.Init(dir, schema.InitOptions{Name: "a--b", Module: "shop.example.com/x"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(files, "a--b.cue") || !slices.Contains(files, "cue.mod/module.cue") {
		t.Errorf("Init wrote %v", files)
	}
	app, err := schema.Load(t.Context(), dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if app.Name != "a--b" || app.Source != "shop.example.com/x" {
		t.Errorf("name %q, source %q", app.Name, app.Source)
	}
	for _, opts := range []schema.InitOptions{
		{Name: "My Shop"}, {Name: "-a"}, {Name: strings.Repeat("a", 64)},
		{Module: "shop"}, {Module: "https://example.com"}, {Module: "example.com//x"}, {Module: "Example.com/x"}, {Module: "example.com/x@v1"},
	} {
		var wrong *schema.NameError
		if _, err := schema.Init(t.TempDir(), opts); !errors.As(err, &wrong) {
			t.Errorf("%+v gave %v, want a NameError", opts, err)
		}
	}
}

// Nothing of the user's is overwritten, and a refusal writes nothing.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"shop.cue", "other.cue", "cue.mod/module.cue", "cue.mod/pkg/shipit.dev/v1/app.cue"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, file), "mine")
			write(t, filepath.Join(dir, "README.md"), "mine too")
			before := tree(t, dir)
			var exists *schema.ExistsError
			if _, err := schema.Init(dir, schema.InitOptions{Name: "shop"}); !errors.As(err, &exists) {
				t.Fatalf("Init gave %v, want an ExistsError", err)
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("the folder was %v, and is %v", before, after)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := schema.Init(dir, schema.InitOptions{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	fresh := tree(t, dir)
	if changed, err := schema.Update(dir); err != nil || len(changed) != 0 {
		t.Errorf("Update of a fresh project changed %v: %v", changed, err)
	}
	v1 := filepath.Join(dir, "cue.mod", "pkg", "shipit.dev", "v1")
	write(t, filepath.Join(v1, "old.cue"), "package v1\n")
	write(t, filepath.Join(v1, "app.cue"), "package v1\n")
	changed, err := schema.Update(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"cue.mod/pkg/shipit.dev/v1/old.cue", "cue.mod/pkg/shipit.dev/v1/app.cue"}
	if !slices.Equal(changed, want) {
		t.Errorf("Update changed %v, want %v", changed, want)
	}
	if after := tree(t, dir); !slices.Equal(fresh, after) {
		t.Errorf("the project was %v, and is %v", fresh, after)
	}
	var errs schema.Errors
	if _, err := schema.Update(t.TempDir()); !errors.As(err, &errs) || errs[0].Code != rule.NoProject {
		t.Errorf("Update outside a project gave %v", err)
	}
}

// tree lists the files below dir with their contents.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files = append(files, path+": "+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
