package main

import (
	"testing"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// release is a specification with one kind, whose spec has the given fields.
func release(version string, fields map[string]*schema, required ...string) *spec {
	k := gvk{"example", version, "Thing"}
	return &spec{
		kinds: map[gvk]served{k: {namespaced: true, kept: true}},
		schemas: map[string]*schema{
			"Thing": {GVKs: []gvk{k}, Properties: map[string]*schema{
				"metadata": {Type: "object"},
				"spec":     {AllOf: []*schema{{Ref: "#/components/schemas/Spec"}}, Default: map[string]any{}},
			}},
			"Spec": {Properties: fields, Required: required},
		},
	}
}

func TestMerge(t *testing.T) {
	m := newMerger()
	for i, s := range []*spec{
		release("v1beta1", map[string]*schema{"a": {Type: "string", Enum: []string{"x"}}, "b": {Type: "boolean"}}),
		release("v1", map[string]*schema{"a": {Type: "string", Enum: []string{"x", "y"}}, "b": {Type: "string"}}, "a"),
	} {
		if err := m.add(i, s); err != nil {
			t.Fatal(err)
		}
	}
	m.lifecycle[gvk{"example", "v1alpha1", "Thing"}] = lifecycle{removed: 30, replacement: "example/v1beta1 Thing"}
	m.kinds[gvk{"", "v1", "Endpoints"}] = &table.Kind{}
	got := m.table([]string{"v1.1.0", "v1.2.0"})
	kinds := map[string]table.Kind{}
	for _, k := range got.Kinds {
		if k.Group == "example" {
			kinds[k.Version] = k
		}
	}
	if k := kinds["v1beta1"]; k.In != 1 || !k.Namespaced || !k.Kept || k.Replacement != "example/v1 Thing" {
		t.Errorf("v1beta1 is %+v", k)
	}
	if k := kinds["v1alpha1"]; k.Def != -1 || k.Removed != 30 || k.Replacement != "example/v1 Thing" {
		t.Errorf("v1alpha1 is %+v: what replaced it was replaced", k)
	}
	thing := got.Defs[kinds["v1"].Def]
	if f := thing.Fields[1]; f.Name != "spec" || f.In != 3 || !f.Type.Always {
		t.Fatalf("spec is %+v", f)
	}
	fields := got.Defs[thing.Fields[1].Type.Def].Fields
	if len(fields) != 3 || fields[0].In != 3 || fields[0].Required != 2 || fields[1].In != 1 || fields[2].In != 2 {
		t.Fatalf("fields are %+v: a is one, and b, of another type, two", fields)
	}
	if e := fields[0].Type.Enum; len(e) != 2 || e[0] != (table.Value{Text: "x", In: 3}) || e[1] != (table.Value{Text: "y", In: 2}) {
		t.Errorf("values are %+v", e)
	}
}

func TestMergeRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, s := range []*schema{
		{Type: "string", Format: "colour"},
		{OneOf: []*schema{{Type: "string"}}},
		{Ref: "#/components/schemas/Nothing"},
	} {
		if err := newMerger().add(0, release("v1", map[string]*schema{"a": s})); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
