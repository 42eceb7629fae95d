package openapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/openapi"
)

func read(t testing.TB, files ...string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parse(t, string(b))...)
	}
	return out
}

func crds(t testing.TB) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob("testdata/crds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("definitions: %v, %v", files, err)
	}
	return read(t, files...)
}

// The definitions of the Gateway API are valid in every version, and so are the
// objects that it gives as examples.
func TestGatewayAPI(t *testing.T) {
	examples := read(t, "testdata/gateway.yaml")
	for _, version := range openapi.Versions() {
		v, err := openapi.New(version, crds(t)...)
		if err != nil {
			t.Fatal(err)
		}
		if found := v.Validate(examples); len(found) > 0 {
			t.Errorf("%s, examples:\n%s", version, text(found))
		}
	}
	// The functions that rules may use grow with the versions.
	for _, version := range []string{"1.33", "1.36"} {
		if found := validator(t, version).Validate(crds(t)); len(found) > 0 {
			t.Errorf("%s, definitions:\n%s", version, text(found))
		}
	}
}

// What the tests of custom resources rest on is what the API server would take.
func TestDefinitionOfTheTests(t *testing.T) {
	if found := validator(t, "1.36").Validate(read(t, "testdata/widget.yaml")); len(found) > 0 {
		t.Error(text(found))
	}
}

// Definitions among the objects are known for the others.
func TestDefinitionAmongObjects(t *testing.T) {
	objects := append(read(t, "testdata/widget.yaml"), parse(t, `
apiVersion: verdicts.example.com/v1
kind: Gadget
metadata: {name: a}
spec: {min: 20, hosts: a}
`)...)
	got := text(validator(t, "1.36").Validate(objects))
	if want := "wrong-type: spec.hosts: this must be of type array, but is string\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
