package deploy_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/render"
)

var update = flag.Bool("update", false, "write the golden files")

// Every example is valid in all of its environments, and renders to its golden.
func TestExamples(t *testing.T) {
	t.Parallel()
	const examples = "../../examples"
	projects := []string{"gateway", "hello", "platform/apps/orders", "platform/apps/reports", "sealed", "shop", "store", "worker"}
	for _, example := range projects {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			apps, err := deploy.OpenAll(t.Context(), deploy.Options{Dir: filepath.Join(examples, example), Registry: "registry.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			for _, app := range apps {
				found, err := deploy.CheckAll(app)
				if err != nil {
					t.Fatal(err)
				}
				if severe, _ := deploy.Severe(found); len(severe) > 0 {
					t.Error(severe)
				}
				units, err := deploy.Render(app, deploy.Unbuilt(app, app.Services), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := render.YAML(units)
				if err != nil {
					t.Fatal(err)
				}
				name := strings.ReplaceAll(example, "/", "-")
				if app.Environment != "" {
					name += "." + app.Environment
				}
				compare(t, filepath.Join("testdata", "examples", name+".yaml"), got)
			}
		})
	}
	all, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, dir := range all {
		if name := filepath.Base(dir); !slices.ContainsFunc(projects, func(p string) bool { return strings.Split(p, "/")[0] == name }) {
			t.Errorf("%s is not tested", name)
		}
	}
}

func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./internal/deploy -update writes it anew); got:\n%s", golden, got)
	}
}
