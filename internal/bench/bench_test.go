package bench_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/internal/bench"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// What is measured is what it is said to be: valid in each environment, without a
// warning, and of each service one object of each kind.
func TestProject(t *testing.T) {
	const n = 50
	project := bench.New(n)
	if !reflect.DeepEqual(project, bench.New(n)) {
		t.Error("it is another one each time")
	}
	apps := open(t, project)
	if len(apps) != len(bench.Environments) {
		t.Errorf("%d environments, want %d", len(apps), len(bench.Environments))
	}
	found, err := deploy.CheckAll(apps...)
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	for _, app := range apps {
		if len(app.Warnings) > 0 {
			t.Errorf("%s: %v", app.Environment, app.Warnings)
		}
		units, err := deploy.Render(app, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		for _, u := range units {
			var kinds []string
			for _, o := range u.Objects {
				if o.GetKind() == "NetworkPolicy" && o.GetName() != u.Name {
					calls++
					continue
				}
				kinds = append(kinds, o.GetKind())
			}
			slices.Sort(kinds)
			if !slices.Equal(kinds, bench.Kinds) {
				t.Errorf("%s: %s has %v", app.Environment, u.Name, kinds)
			}
		}
		if len(units) != n || calls != project.Calls {
			t.Errorf("%s: %d services and %d calls between them, want %d and %d", app.Environment, len(units), calls, n, project.Calls)
		}
	}
	if same(t, apps[0], apps[2]) {
		t.Error("the environments are all the same")
	}
	for i, app := range open(t, project.Defined()) {
		if !same(t, app, apps[i]) {
			t.Errorf("%s is another one by a definition", app.Environment)
		}
	}
}

// open writes a project and opens it in every environment.
func open(t *testing.T, p bench.Project) []*schema.App {
	t.Helper()
	dir := t.TempDir()
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Update(dir); err != nil {
		t.Fatal(err)
	}
	apps, err := deploy.OpenAll(t.Context(), deploy.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return apps
}

func same(t *testing.T, a, b *schema.App) bool {
	t.Helper()
	one, err := deploy.Render(a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := deploy.Render(b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	specs := func(units []render.Unit) (out []any) {
		for _, u := range units {
			for _, o := range u.Objects {
				out = append(out, o.Object["spec"])
			}
		}
		return out
	}
	return reflect.DeepEqual(specs(one), specs(other))
}

// Names are different ones, as many as are asked for, and fit where they are used.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	project := bench.New(2500)
	if err := project.Write(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "services_*.cue"))
	if err != nil || len(files) != 100 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "conf")); err != nil || !info.IsDir() {
		t.Error("there are no files beside the CUE")
	}
}
