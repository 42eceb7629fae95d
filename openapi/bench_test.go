package openapi_test

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/openapi"
)

// app gives about n services of the shop's objects, which are eight to a service.
func app(b *testing.B, n int) []*unstructured.Unstructured {
	text, err := os.ReadFile("../render/testdata/shop.yaml")
	if err != nil {
		b.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for len(out) < 8*n {
		out = append(out, parse(b, string(text))...)
	}
	return out[:8*n]
}

// BenchmarkValidate is the check of 50 services of eight objects each, the schemas
// being decoded already.
func BenchmarkValidate(b *testing.B) {
	objects := app(b, 50)
	v := validator(b, "1.36")
	v.Validate(objects)
	b.ReportAllocs()
	for b.Loop() {
		if found := v.Validate(objects); len(found) > 0 {
			b.Fatal(text(found))
		}
	}
}

// BenchmarkCold is what the first check of a process costs: decompressing, and
// decoding what the objects' kinds need.
func BenchmarkCold(b *testing.B) {
	text, err := os.ReadFile("../render/testdata/everything.yaml")
	if err != nil {
		b.Fatal(err)
	}
	objects := parse(b, string(text))
	b.ReportAllocs()
	for b.Loop() {
		openapi.Forget()
		validator(b, "1.36").Validate(objects)
	}
}

// BenchmarkCustom is the check of the Gateway API's examples: cold, with reading
// the definitions and compiling their rules, and again.
func BenchmarkCustom(b *testing.B) {
	examples, definitions := read(b, "testdata/gateway.yaml"), crds(b)
	check := func(b *testing.B, v *openapi.Validator) {
		if found := v.Validate(examples); len(found) > 0 {
			b.Fatal(text(found))
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			v, err := openapi.New("1.36", definitions...)
			if err != nil {
				b.Fatal(err)
			}
			check(b, v)
		}
	})
	b.Run("warm", func(b *testing.B) {
		v, err := openapi.New("1.36", definitions...)
		if err != nil {
			b.Fatal(err)
		}
		check(b, v)
		for b.Loop() {
			check(b, v)
		}
	})
	b.Run("definitions", func(b *testing.B) {
		v := validator(b, "1.36")
		for b.Loop() {
			if found := v.Validate(definitions); len(found) > 0 {
				b.Fatal(text(found))
			}
		}
	})
}
