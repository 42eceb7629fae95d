package openapi_test

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/openapi"
)

// FuzzValidate looks for objects that make the validator panic: any JSON, beside
// and as an instance of any definition.
func FuzzValidate(f *testing.F) {
	for _, o := range append(read(f, "testdata/good.yaml", "testdata/widget.yaml"), crds(f)[:1]...) {
		b, err := json.Marshal(o.Object)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"apiVersion":"verdicts.example.com/v1","kind":"Gadget","metadata":{"name":"a"},"spec":{"min":1,"pod":{"kind":"Pod"},"one":{"a":"x"}}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Pod","metadata":[],"spec":{"containers":[null,1,{"ports":[{"containerPort":1e99}]}]}}`))
	known := read(f, "testdata/widget.yaml")
	v, err := openapi.New("1.35", known...)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var fields map[string]any
		if json.Unmarshal(b, &fields) != nil {
			t.Skip("no JSON object")
		}
		o := &unstructured.Unstructured{Object: fields}
		found := v.Validate([]*unstructured.Unstructured{o})
		for _, f := range found {
			if f.Rule == "" || f.Message == "" || f.Severity == "" {
				t.Errorf("an empty finding: %+v", f)
			}
		}
	})
}
