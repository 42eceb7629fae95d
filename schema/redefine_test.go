package schema

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What a project makes of the schema's definitions is the same by the outline, which
// is enough for most, and by the whole schema.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text  string
		whole bool   // the outline is not enough, or not asked
		wrong string // what is told
	}{
		"of a service":   {text: "services: web: #Web\n#Web: v1.#Service & {image: \"a\", replicas: *2 | int}"},
		"changed":        {text: "services: web: #Web & {replicas: 3, probes: readiness: exec: [\"true\"], volumes: a: {emptyDir: {}, mount: \"/a\"}}\n#Web: v1.#Service & {image: \"a\", replicas: *2 | int, probes: liveness: exec: [\"true\"], placement: spread: zone: {}}"},
		"embedded":       {text: "services: web: {#Web, replicas: 3}\n#Web: {v1.#Service, image: \"a\", _tier: \"front\"}"},
		"of a part":      {text: "services: web: {image: \"a\", probes: #Probes & {readiness: periodSeconds: 3}}\n#Probes: v1.#Probes & {readiness: exec: [\"true\"]}"},
		"closed":         {text: "services: web: close({image: \"a\"})\nservices: [_]: v1.#Service"},
		"of all":         {text: "services: [_]: #Web\n#Web: v1.#Service & {image: *\"a\" | string, ports: http: *80 | int}\nservices: web: ports: metrics: 9090\nservices: job: {workload: \"Job\", image: \"b\"}"},
		"two":            {text: "services: web: #Small & #Web\n#Web: v1.#Service & {image: \"a\"}\n#Small: v1.#Service & {replicas: 1, resources: memory: \"32Mi\"}"},
		"alternatives":   {text: "services: web: #Web & {replicas: 2}\n#Web: *{v1.#Service, image: \"a\", replicas: 1} | {v1.#Service, image: \"b\", replicas: 2}"},
		"a port or more": {text: "services: web: #Web & {ports: http: service: 8080}\n#Web: v1.#Service & {image: \"a\", ports: http: {port: 80}}", whole: true},
		"chosen by type": {text: "services: web: {image: \"a\", replicas: #Count}\n#Count: *(v1.#Name & \"many words\") | 4", whole: true},
		"tested":         {text: "_named: (v1.#Name & \"Not A Name\") != _|_\nservices: web: {image: \"a\", if !_named {replicas: 2}}", whole: true},
		"misspelt":       {text: "services: web: #Web & {replcas: 3}\n#Web: v1.#Service & {image: \"a\"}", whole: true, wrong: `unknown field "replcas" in services.web`},
		"of a wrong type": {
			text:  "services: web: #Web\n#Web: v1.#Service & {image: \"a\", replicas: \"2\"}",
			whole: true, wrong: "services.web.replicas must be a whole number",
		},
		"closed to what the schema has": {
			text:  "services: web: #Small & {image: \"a\"}\nservices: [_]: v1.#Service\n#Small: {replicas: 1}",
			whole: true, wrong: `may not have a field`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := shop(t, "v1.#App & {name: \"shop\"}\n"+test.text)
			p, err := Find(dir)
			if err != nil {
				t.Fatal(err)
			}
			inst, errs := p.instance(Options{})
			if errs != nil {
				t.Fatal(errs)
			}
			schemas := redefines(inst).schemas()
			if len(schemas) == 0 {
				t.Fatal("it is not seen to make definitions")
			}
			first, ferr := p.with(t, schemas[0]())
			whole, werr := p.with(t, bareSchema())
			if enough := len(schemas) == 2 && ferr == nil; enough == test.whole {
				t.Errorf("of %d schemas the first gave %v", len(schemas), ferr)
			}
			app, err := Load(t.Context(), dir, Options{})
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("it gave %v, want %s", err, test.wrong)
				}
				return
			}
			if err != nil || werr != nil {
				t.Fatalf("it gave %v, and by the whole schema %v", err, werr)
			}
			if ferr == nil && !reflect.DeepEqual(app, first) {
				t.Errorf("it is %+v, but by the first schema %+v", app, first)
			}
			// The whole schema places fewer values.
			for path, pos := range whole.positions {
				if app.positions[path] != pos {
					t.Errorf("%s is at %s, and by the whole schema at %s", path, app.positions[path], pos)
				}
			}
			whole.positions = app.positions
			if !reflect.DeepEqual(app, whole) {
				t.Errorf("it is %+v, but by the whole schema %+v", app, whole)
			}
		})
	}
}

// shop makes a project of what is said after its import of the schema.
func shop(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		moduleFile: "module: \"example.com/shop\"\nlanguage: version: \"v0.17.0\"\n",
		"shop.cue": "package shop\n\nimport \"shipit.dev/v1\"\n\n" + text + "\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// with evaluates a project with a schema.
func (p Project) with(t *testing.T, files map[string][]byte) (*App, error) {
	t.Helper()
	inst, errs := p.instance(Options{})
	if errs != nil {
		t.Fatal(errs)
	}
	if err := p.giveSchema(inst, files); err != nil {
		t.Fatal(err)
	}
	return p.evaluate(inst, environment{}, nil)
}

// Services are read side by side, but what they share is evaluated by one at a time.
func TestDefinitionOfMany(t *testing.T) {
	t.Parallel()
	text := strings.Builder{}
	text.WriteString("v1.#App & {name: \"shop\"}\nservices: [Name=_]: #Web & {_name: Name}\n#Web: v1.#Service & {\n\t_name: string\n\tports: http: *8080 | int\n\tprobes: readiness: {http: *\"/readyz\" | string, periodSeconds: *5 | int}\n\texpose: public: {host: \"\\(_name).example.com\", class: \"nginx\"}\n\tautoscale: {min: *2 | int, max: *6 | int, cpu: 80}\n\tresources: cpu: *\"100m\" | string\n}\n")
	for i := range 40 {
		fmt.Fprintf(&text, "services: \"a-%d\": {image: \"a\", probes: readiness: periodSeconds: 6, autoscale: max: 11}\n", i)
	}
	dir := shop(t, text.String())
	for range 20 {
		if app, err := Load(t.Context(), dir, Options{}); err != nil || len(app.Services) != 40 || app.Services[39].Autoscale.Max != 11 {
			t.Fatalf("%+v, %v", app, err)
		}
	}
}
