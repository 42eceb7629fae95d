package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// The page has every field of every document.
func TestOutputPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	for _, document := range []any{jsonFailure{}, schema.Error{}, jsonError{}, jsonResult{}, jsonStatus{}, jsonHistory{}, report{}, jsonExplanation{}} {
		for _, field := range jsonFields(reflect.TypeOf(document), seen) {
			if !strings.Contains(string(page), "`"+field+"`") && !strings.Contains(string(page), "\""+field+"\"") {
				t.Errorf("%T has the field %s, which docs/output.md does not name", document, field)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}

// jsonFields are the names that encoding/json gives the fields of t, and of what is in it.
func jsonFields(t reflect.Type, seen map[reflect.Type]bool) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return jsonFields(t.Elem(), seen)
	case reflect.Struct:
	default:
		return nil
	}
	if seen[t] || t.PkgPath() == "time" {
		return nil
	}
	seen[t] = true
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case !f.Anonymous && name == "":
			name = f.Name // as encoding/json does, and as no document should have it
		}
		if name != "" {
			out = append(out, name)
		}
		out = append(out, jsonFields(f.Type, seen)...)
	}
	return out
}
