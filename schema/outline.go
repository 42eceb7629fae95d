package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/shipit-dev/shipit/schema/language"
)

// outlineSchema is the schema with its structs inside of each other, all of them
// open, and nothing of what values must be: definitions that are made of it allow
// whatever the schema may have there.
var outlineSchema = sync.OnceValue(func() map[string][]byte {
	s, err := language.Read()
	if err != nil {
		panic(err) // it is embedded
	}
	b := []byte("package v1\n")
	for _, name := range slices.Sorted(maps.Keys(s.Definitions)) {
		value := outline(s.Definition(name), name)
		if name == "#App" {
			value = fmt.Sprintf("{%s, %s", appFields, strings.TrimPrefix(value, "{"))
		}
		b = fmt.Appendf(b, "%s: %s\n", name, value)
	}
	return map[string][]byte{"outline.cue": b}
})

// outline writes the structs of a shape: "_" is what has none, or may be a scalar as
// well. It names definitions, but for the one that it is of.
func outline(s *language.Shape, of string) string {
	switch {
	case s.Scalar || s.Elem == nil && !s.Structs:
		return "_"
	case !s.Structs:
		return "[..." + outline(s.Elem, "") + "]"
	case s.Definition != "" && s.Definition != of:
		return s.Definition
	}
	var b strings.Builder
	for _, f := range s.Fields {
		if in := outline(f.Shape, ""); in != "_" {
			fmt.Fprintf(&b, "%s?: %s, ", f.Name, in)
		}
	}
	for _, p := range s.Patterns {
		if in := outline(p.Shape, ""); in != "_" {
			fmt.Fprintf(&b, "[string]: %s, ", in)
		}
	}
	return "{" + b.String() + "...}"
}
