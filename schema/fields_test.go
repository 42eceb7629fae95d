package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cue/parser"
	"github.com/shipit-dev/shipit/schema"
)

// The examples of fields are parts of an App that uses every one of them.
func TestReference(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("reference")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cue.mod", "module.cue"), "module: \"example.com/shop\"\nlanguage: version: \"v0.14.0\"\n")
	apps, err := schema.LoadAll(t.Context(), dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(apps) != 2 {
		t.Errorf("%d environments", len(apps))
	}
	fields, err := schema.Fields()
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) < 250 {
		t.Errorf("only %d fields", len(fields))
	}
	for _, f := range fields {
		if f.Example == "" || f.Doc == "" || f.Type == "" || strings.Contains(f.Doc+f.About+f.Default, "#") {
			t.Errorf("%s says too little, or names a definition: %+v", f.Path, f)
		}
		if _, err := parser.ParseFile("", f.Example); err != nil {
			t.Errorf("the example of %s is not CUE: %v\n%s", f.Path, err, f.Example)
		}
		if lines := strings.Count(f.Example, "\n"); lines > 25 {
			t.Errorf("the example of %s has %d lines", f.Path, lines)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]schema.Field{
		"services.replicas":                     {Path: "services.replicas", Type: "a whole number, 0 or more", Doc: "replicas is how many pods run.", Default: "1", Example: "services: store: replicas: 3"},
		"services.web.probes.readiness.http":    {Path: "services.probes.readiness.http", Type: "a path that starts with /, or {path: …, port: …, scheme: …}", Example: `services: web: probes: readiness: http: "/readyz"`},
		"services.env":                          {Path: "services.env", Keys: "letters, digits, _, - and ., not starting with a digit"},
		"services.volumes.size":                 {Path: "services.volumes.size", Type: `a quantity of bytes, such as "1Gi"`},
		"environments.prod.services":            {Path: "environments.services"},
		"services.expose.public.gateway.name":   {Path: "services.expose.gateway.name", Required: true},
		"services.web.sidecars.proxy.resources": {Path: "services.sidecars.resources", About: "Resources are what a container asks for (at the top) and what it is limited to (in limits). The limits of memory, huge pages and extended resources equal what is asked for unless given; there is no CPU limit unless given."},
		"":                                      {},
	} {
		f, err := schema.Explain(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for what, pair := range map[string][2]string{
			"path": {f.Path, want.Path}, "type": {f.Type, want.Type}, "doc": {f.Doc, want.Doc}, "default": {f.Default, want.Default},
			"keys": {f.Keys, want.Keys}, "example": {f.Example, want.Example}, "about": {f.About, want.About},
		} {
			if pair[1] != "" && pair[0] != pair[1] {
				t.Errorf("%s: its %s is %q, want %q", path, what, pair[0], pair[1])
			}
		}
		if f.Required != want.Required {
			t.Errorf("%s: required is %v", path, f.Required)
		}
	}
	service, err := schema.Explain("services")
	if err != nil || len(service.Fields) < 40 || service.Fields[0].Path != "services.enabled" || service.About == "" {
		t.Errorf("services is %+v, %v", service, err)
	}
	for path, want := range map[string]string{
		"services.hpa":                      `services has no field "hpa": did you mean "services.autoscale"?`,
		"services.web.probes.ready":         `services.probes has no field "ready": did you mean "services.probes.readiness"?`,
		"servces":                           `the App has no field "servces": did you mean "services"?`,
		"name.x":                            `name has no field "x": `,
		"services.web.envFrom.zzzzzzzzzzzz": `services.envFrom has no field "zzzzzzzzzzzz": it has config, secrets`,
	} {
		_, err := schema.Explain(path)
		var unknown *schema.UnknownFieldError
		if !errors.As(err, &unknown) || unknown.Error()+": "+unknown.Hint() != want {
			t.Errorf("%s gave %v, want %s", path, err, want)
		}
	}
}
