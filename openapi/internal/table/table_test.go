package table_test

import (
	"reflect"
	"testing"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

func sample() table.Table {
	text := table.Type{Shape: table.String}
	return table.Table{
		Versions: []string{"v1.33.1", "v1.34.2"},
		Kinds: []table.Kind{
			{Group: "apps", Version: "v1", Kind: "Deployment", Def: 0, In: 3, Namespaced: true, Kept: true},
			{Version: "v1beta1", Kind: "Old", Def: -1, Deprecated: 8, Removed: 16, Replacement: "apps/v1 Deployment"},
		},
		Defs: []table.Def{
			{Fields: []table.Field{
				{Name: "a", In: 3, Required: 2, Type: table.Type{Shape: table.String, Default: "TCP",
					Enum: []table.Value{{Text: "TCP", In: 3}, {Text: "UDP", In: 2}}}},
				{Name: "b", In: 1, Type: table.Type{Shape: table.List, Order: table.Keyed, Keys: []string{"a", "b"},
					Elem: &table.Type{Shape: table.Struct, Def: 1, Always: true}}},
				{Name: "b", In: 2, Type: table.Type{Shape: table.Map, Elem: &text}},
			}},
			{Fields: []table.Field{}},
		},
	}
}

func TestEncodeAndOpen(t *testing.T) {
	want := sample()
	file, err := table.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := table.Encode(want)
	if err != nil || string(again) != string(file) {
		t.Errorf("the same table gives other bytes, %v", err)
	}
	r, err := table.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	got := table.Table{Versions: r.Versions, Kinds: r.Kinds}
	for i := range r.Defs() {
		got.Defs = append(got.Defs, r.Def(i))
	}
	for i := range got.Defs {
		for j := range got.Defs[i].Fields {
			// No values is no values, however it is kept.
			if f := &got.Defs[i].Fields[j].Type; len(f.Enum) == 0 {
				f.Enum = nil
			}
			if e := got.Defs[i].Fields[j].Type.Elem; e != nil && len(e.Enum) == 0 {
				e.Enum = nil
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	file, err := table.Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(file) {
		if _, err := table.Open(file[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a whole file", n, len(file))
		}
	}
	if _, err := table.Open([]byte("something else\n")); err == nil {
		t.Error("something else is taken for a file")
	}
}

func TestEncodeRefusesManyVersions(t *testing.T) {
	if _, err := table.Encode(table.Table{Versions: make([]string, 9)}); err == nil {
		t.Error("nine versions do not fit")
	}
}
