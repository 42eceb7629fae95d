package openapi_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/openapi"
)

// parse gives the objects of YAML documents; the items of a List are objects.
func parse(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range strings.Split(text, "\n---\n") {
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(doc), &fields); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		if len(fields) == 0 {
			continue
		}
		items, isList := fields["items"].([]any)
		if !isList {
			out = append(out, &unstructured.Unstructured{Object: fields})
		}
		for _, item := range items {
			out = append(out, &unstructured.Unstructured{Object: item.(map[string]any)})
		}
	}
	return out
}

func validator(t testing.TB, version string) *openapi.Validator {
	t.Helper()
	v, err := openapi.New(version)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// text writes findings as a table test reads them best.
func text(findings []openapi.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s: %s: %s", strings.TrimPrefix(f.Rule, "kubernetes-"), f.Path, f.Message)
		if f.Why != "" {
			b.WriteString(" (" + f.Why + ")")
		}
		if f.Hint != "" {
			b.WriteString(" => " + f.Hint)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRenderedObjectsAreValid(t *testing.T) {
	files, err := filepath.Glob("../render/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("goldens: %v, %v", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects := parse(t, string(b))
		if len(objects) < 3 {
			t.Errorf("%s: only %d objects", file, len(objects))
		}
		for _, version := range openapi.Versions() {
			v, err := openapi.New(version, crds(t)...)
			if err != nil {
				t.Fatal(err)
			}
			found := slices.DeleteFunc(v.Validate(objects), func(f openapi.Finding) bool {
				// Of other people's definitions, only the Gateway API's are here.
				return f.Rule == openapi.UncheckedKind && f.APIVersion != "gateway.networking.k8s.io/v1"
			})
			if len(found) > 0 {
				t.Errorf("%s, Kubernetes %s:\n%s", file, version, text(found))
			}
		}
	}
}

func TestVersions(t *testing.T) {
	if got := strings.Join(openapi.Versions(), " "); got != "1.33 1.34 1.35 1.36" {
		t.Errorf("versions %s", got)
	}
	for _, v := range []string{"1.34", "v1.34", "v1.34.2"} {
		if _, err := openapi.New(v); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	for _, v := range []string{"1.32", "2.34", "", "latest", "1"} {
		_, err := openapi.New(v)
		var unknown *openapi.VersionError
		if !errors.As(err, &unknown) || unknown.Version != v {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// The file says itself what it was made from.
func TestHeader(t *testing.T) {
	b, err := os.ReadFile("schemas.bin")
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(b), "\n")
	if want := "shipit kubernetes schemas 1: v1.33.13 v1.34.4 v1.35.4 v1.36.3"; header != want {
		t.Errorf("header %q, want %q", header, want)
	}
	if len(b) > 100<<10 {
		t.Errorf("schemas.bin has %d bytes: what made it grow?", len(b))
	}
}
