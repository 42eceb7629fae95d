package language

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

// Part is a kind of struct of the language, for a page about all of it.
type Part struct {
	Subject string   // the file of the schema that it is in: "probe"
	Name    string   // "Probe"
	Doc     string   // what it is
	Paths   []string // where it is in an App, the shortest first; "" is the App
	Has     []string // names of Parts whose fields it has, too
	Example string   // its own; else "", as in Entries
	Fields  []Entry  // with paths below the first of Paths, and their own examples only

	// Shown gives for the path of a field without an example the path of the one
	// whose example has it; "" is the App.
	Shown map[string]string
}

// Parts gives the parts of the language, those of a subject in the order of the
// schema.
func Parts() ([]Part, error) {
	s, err := told()
	if err != nil {
		return nil, err
	}
	paths := s.paths()
	var parts []Part
	for _, d := range s.inOrder() {
		if at := paths[d.name]; len(at) > 0 {
			parts = append(parts, s.part(d, at))
		}
	}
	// A field is found by its path in the part that it is of.
	at := map[*Field]string{}
	for _, p := range parts {
		for _, f := range s.own(s.Definition("#" + p.Name)) {
			at[f] = Join(p.Paths[0], f.Name)
		}
	}
	for i, p := range parts {
		for _, f := range s.own(s.Definition("#" + p.Name)) {
			if path := at[f]; f.remark.example == "" {
				parts[i].Shown[path] = at[s.examples.of(f, path).owner]
			}
		}
	}
	return parts, nil
}

type definition struct{ subject, name string }

// inOrder gives the definitions of structs as they are written.
func (s *Shapes) inOrder() []definition {
	var all []definition
	files := v1.Files()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(file, files[file])
		if err != nil {
			continue // Read has told
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.Field); ok {
				name, _, _ := ast.LabelName(d.Label)
				all = append(all, definition{strings.TrimSuffix(file, ".cue"), name})
			}
		}
	}
	return all
}

// paths gives where in an App the structs of definitions are.
func (s *Shapes) paths() map[string][]string {
	paths := map[string][]string{"#App": {""}}
	var in func(at *Field, path string, inside []string)
	in = func(at *Field, path string, inside []string) {
		for _, sub := range below(at).Fields {
			path, is := Join(path, sub.Name), below(sub)
			if len(is.Fields) == 0 || slices.Contains(inside, is.Definition) {
				continue
			}
			for _, name := range append(s.embedded(is), is.Definition) {
				paths[name] = append(paths[name], path)
			}
			in(sub, path, append(inside, is.Definition))
		}
	}
	in(s.Top, "", nil)
	for _, all := range paths {
		slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")) })
	}
	return paths
}

// embedded gives the definitions whose fields a struct has.
func (s *Shapes) embedded(in *Shape) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Definitions)) {
		other := s.Definition(name)
		if name != in.Definition && len(other.Fields) > 0 && len(other.Fields) < len(in.Fields) && containsAll(in.Fields, other.Fields) {
			names = append(names, name)
		}
	}
	return names
}

func containsAll(all, some []*Field) bool {
	return !slices.ContainsFunc(some, func(f *Field) bool { return !slices.Contains(all, f) })
}

// own gives the fields of a struct that are not embedded.
func (s *Shapes) own(in *Shape) []*Field {
	fields := in.named()
	for _, name := range s.embedded(in) {
		others := s.Definition(name).Fields
		fields = slices.DeleteFunc(fields, func(f *Field) bool { return slices.Contains(others, f) })
	}
	return fields
}

func (s *Shapes) part(d definition, paths []string) Part {
	remark := newRemark(s.Definitions[d.name])
	in := s.Definition(d.name)
	p := Part{Subject: d.subject, Name: d.name[1:], Doc: remark.plain(), Paths: paths, Example: remark.example, Shown: map[string]string{}}
	for _, name := range s.embedded(in) {
		p.Has = append(p.Has, name[1:])
	}
	for _, f := range s.own(in) {
		d := s.describe(f, Join(paths[0], f.Name))
		d.Example = f.remark.example
		p.Fields = append(p.Fields, d)
	}
	return p
}
