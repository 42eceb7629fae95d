package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// texts are such as are written in different ways.
func texts() []string {
	return []string{
		"", "a", "web", "true", "True", "yes", "no", "n", "Null", "null", "~", "on", "nothing", "10", "0", "007", "-1", "+3", "1.5", ".5", "1e3", "0x1f", "1_000",
		"12:30:45", "10m", "64Mi", "30s", "2001-12-14", "2001-12-14T21:59:43Z", "1.2.3", "10.0.0.0/8", "a: b", "a:b", "a:", "a #b", "a#b", "# a", "- a", "-a", "--port=8080",
		"http://web:8080/a?b=c&d", "nginx@sha256:0123", "*", "*.example.com", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]", "a, b", "'a'", "\"a\"", "a'b", "a\\b", "|", ">",
		"a b", " a", "a ", "a\n", "a\nb", "a\nb\n", "a\n\nb\n", "a\n\n", "\na", " a\nb", "a \nb", "a\n  b\n c", "a\tb\nc", "a\tb", "é", "é\nb", "\u2028", "\x00", "\ufeffa", "=", "<<", "?", "? a", ":", "---", "...",
		"sh -c 'exec /bin/app --level info'", "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
		"a-word-that-is-so-long-that-it-goes-beyond-the-width-of-a-line-of-YAML-but-cannot-be-broken-anywhere-at-all-in-it",
	}
}

// same fails unless both writers write the same.
func same(t *testing.T, fields map[string]any) {
	t.Helper()
	want, err := yaml.Marshal(fields)
	if err != nil {
		t.Skip(err)
	}
	got, err := YAML([]Unit{{Objects: []*unstructured.Unstructured{{Object: fields}}}})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, got, want)
	}
}

func TestYAMLIsTheLibrarys(t *testing.T) {
	var list []any
	for i, s := range texts() {
		same(t, map[string]any{"a": s})
		same(t, map[string]any{"a": map[string]any{"b": []any{s, map[string]any{"c": s}}}})
		same(t, map[string]any{s: "a"})
		same(t, map[string]any{s: "", "b2": map[string]any{fmt.Sprint("a", i): int64(i), fmt.Sprint("a0", i): true, "a1": false, "a-b": int64(0)}})
		list = append(list, s, map[string]any{"name": s, "value": []any{}}, map[string]any{}, []any{s}, nil, 1.5, 1e6, int64(-3))
	}
	same(t, map[string]any{"list": list, "none": map[string]any{}, "also": []any{}})
	same(t, map[string]any{})
}

// A project's objects need the library for texts here and there, and for no
// whole object.
func TestYAMLItself(t *testing.T) {
	app, options := everything()
	units, err := Render(app, options)
	if err != nil {
		t.Fatal(err)
	}
	var w yamlWriter
	for _, u := range units {
		for _, o := range u.Objects {
			if fields := shown(o); !w.fields(fields, 0) {
				t.Errorf("%s %s is written by the library", o.GetKind(), o.GetName())
			}
			same(t, shown(o))
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range texts() {
		text, err := json.Marshal(map[string]any{"a": s, s: []any{s, 1, map[string]string{"b": s}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var fields map[string]any
		if err := kjson.Unmarshal(text, &fields); err != nil {
			t.Skip()
		}
		same(t, fields)
	})
}
