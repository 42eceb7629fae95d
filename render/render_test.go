package render

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

var update = flag.Bool("update", false, "write the golden files")

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for name, app := range apps {
		units, err := Render(app())
		if err != nil {
			t.Fatal(err)
		}
		for ext, marshal := range map[string]func([]Unit) ([]byte, error){"yaml": YAML, "json": JSON} {
			got, err := marshal(units)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+"."+ext)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs (go test ./render -update writes it anew); got:\n%s", golden, got)
			}
		}
	}
}

// Server-side apply owns each field that is sent: none may be there that says
// nothing.
func TestRenderSaysNothingEmpty(t *testing.T) {
	t.Parallel()
	for name, app := range apps {
		units, err := Render(app())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			for _, o := range u.Objects {
				for _, path := range empties(o.Object, "") {
					t.Errorf("%s: %s %s has an empty %s", name, o.GetKind(), o.GetName(), path)
				}
			}
		}
	}
}

func empties(value any, path string) (found []string) {
	switch v := value.(type) {
	case nil:
		return []string{path}
	case map[string]any:
		if len(v) == 0 && filepath.Ext(path) != ".emptyDir" {
			found = append(found, path)
		}
		for key, item := range v {
			if path == "" && key == "status" || key == "creationTimestamp" {
				found = append(found, key)
			}
			found = append(found, empties(item, path+"."+key)...)
		}
	case []any:
		if len(v) == 0 {
			found = append(found, path)
		}
		for i, item := range v {
			found = append(found, empties(item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return found
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*schema.Service)
		path   string
	}{
		{"quantity", func(s *schema.Service) { s.Resources.Requests = map[string]string{"memory": "much"} }, "services.hello.resources.memory"},
		{"limit", func(s *schema.Service) { s.Resources.Limits = map[string]string{"cpu": "1 core"} }, "services.hello.resources.limits.cpu"},
		{"port", func(s *schema.Service) { s.Probes.Readiness.HTTP.Port = "web" }, "services.hello.probes.readiness"},
		{"no port", func(s *schema.Service) { s.Ports = nil }, "services.hello.probes.readiness"},
		{"no question", func(s *schema.Service) { s.Probes.Liveness = &schema.Probe{} }, "services.hello.probes.liveness"},
	} {
		app, images := hello()
		test.change(app.Services[0])
		_, err := Render(app, images)
		var field *FieldError
		if !errors.As(err, &field) || field.Path != test.path {
			t.Errorf("%s: got %v, want an error at %s", test.name, err, test.path)
		}
	}
	app, _ := hello()
	_, err := Render(app, Options{})
	var missing *MissingImageError
	if !errors.As(err, &missing) || missing.Service != "hello" {
		t.Errorf("got %v", err)
	}
}

// A thousand services, as a large project has them.
func BenchmarkRender(b *testing.B) {
	template, _ := everything()
	app := &schema.App{Name: "large", Namespace: "large"}
	images := map[string]string{}
	for i := range 1000 {
		s := *template.Services[1]
		s.Name = fmt.Sprintf("service-%d", i)
		images[s.Name] = "registry.example.com/large/" + s.Name + "@" + digestA
		app.Services = append(app.Services, &s)
	}
	for b.Loop() {
		if _, err := Render(app, Options{Images: images}); err != nil {
			b.Fatal(err)
		}
	}
}

// A thousand services of what most are made of: eight objects and two edges each.
func BenchmarkRenderUsual(b *testing.B) {
	app := &schema.App{Name: "large", Namespace: "large", Network: schema.Network{Policy: true}}
	for i := range 1000 {
		name := fmt.Sprintf("service-%d", i)
		app.Services = append(app.Services, &schema.Service{
			Name: name, Image: image(name), Replicas: 2, Ports: httpPorts, Probes: httpReady, Resources: smallSize,
			Config:     []schema.Config{{Name: "app", Data: map[string]string{"LEVEL": "info", "REGION": "eu"}}},
			EnvFrom:    []schema.EnvFrom{{Config: "app"}},
			Autoscale:  &schema.Autoscale{Min: 2, Max: 10, CPU: &schema.ScaleTarget{Utilization: 70}},
			Disruption: &schema.Disruption{MaxUnavailable: "1"},
			Calls: []schema.Call{
				{Name: "a", Service: fmt.Sprintf("service-%d", (i+1)%1000), Port: 80, Target: "http", Scheme: "http"},
				{Name: "b", Service: fmt.Sprintf("service-%d", (i+7)%1000), Port: 80, Target: "http", Scheme: "http"},
			},
			Expose: []schema.Expose{{Name: "public", Host: name + ".example.com", Port: "http"}},
		})
	}
	for b.Loop() {
		if _, err := Render(app, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
