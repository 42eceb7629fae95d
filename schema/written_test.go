package schema

import (
	"reflect"
	"testing"
)

// What is plain to see is what CUE says; and what is not is left to it.
func TestWrittenEnvironments(t *testing.T) {
	for _, test := range []struct {
		name, text string
		plain      bool
	}{
		{"none", "v1.#App\nname: \"shop\"\nservices: web: image: \"nginx\"", true},
		{"plain", "v1.#App & {\n\tname: \"shop\"\n\tenvironments: {\n\t\tprod: {namespace: \"shop\", quota: cpu: \"1\"}\n\t\t\"dev-1\": {}\n\t}\n}", true},
		{"in parts", "v1.#App\nname: \"shop\"\nenvironments: prod: services: [string]: replicas: 3\nenvironments: prod: namespace: \"a\"\nenvironments: dev: namespace: \"shop-\\(name)\"", true},
		{"conflicting", "v1.#App\nenvironments: prod: namespace: \"a\"\nenvironments: prod: namespace: \"b\"", true},
		{"not one of a fill's kind", "v1.#App\nenvironments: prod: namespace: 3", false},
		{"referred to", "v1.#App\n_prod: {namespace: \"a\"}\nenvironments: prod: _prod", false},
		{"a pattern", "v1.#App\nenvironments: [string]: labels: a: \"b\"\nenvironments: prod: {}", false},
		{"of a comprehension", "v1.#App\nfor e in [\"a\", \"b\"] {environments: (e): {}}", false},
		{"a choice", "v1.#App\nenvironments: prod: namespace: *\"a\" | string", false},
		{"only demanded", "v1.#App\nenvironments: prod!: {}\nenvironments: dev: {}", false},
		{"embedded", "v1.#App\n_all: environments: prod: {}\n_all", false},
		{"of a computed name", "v1.#App\n_e: \"environments\"\n(_e): prod: {}", false},
		{"of a struct with more", "v1.#App\n_b: quota: cpu: \"1\"\nenvironments: prod: {_b, namespace: \"x\"}", false},
		{"no app", "environments: prod: {}", false},
	} {
		dir := shop(t, test.text)
		p, err := Find(dir)
		if err != nil {
			t.Fatal(err)
		}
		inst, errs := p.instance(Options{})
		if errs != nil {
			t.Fatal(errs)
		}
		got, plain := writtenEnvironments(inst.Files)
		if plain != test.plain {
			t.Errorf("%s: plain is %t", test.name, plain)
		}
		if !plain {
			continue
		}
		want, known, err := p.evaluatedEnvironments(Options{})
		if err != nil || !known || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v, %t, %v", test.name, got, want, known, err)
		}
	}
}
