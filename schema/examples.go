package schema

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
)

// examples are those of the schema's comments: each is a part of an App. A field
// without one of its own has the shortest that uses it.
type examples struct {
	paths  map[string]string // by the path that is used in it
	fields map[*field]string // by the field, wherever its struct is used
}

func (x examples) of(f *field, path string) string {
	switch {
	case f.remark.example != "":
		return f.remark.example
	case x.paths[path] != "":
		return x.paths[path]
	}
	return x.fields[f]
}

// examples collects them. What is wrong with one is found by the tests.
func (s *shapes) examples() examples {
	x := examples{map[string]string{}, map[*field]string{}}
	add := func(example string) {
		file, err := parser.ParseFile("", example)
		if err != nil || example == "" {
			return
		}
		x.add(s.app(), "", file.Decls, example)
	}
	add(newRemark(s.definitions["#App"]).example)
	seen := map[*field]bool{}
	s.walk(func(f *field, _ string) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		add(f.remark.example)
		return true
	})
	return x
}

// add notes the fields that an example uses.
func (x examples) add(at *field, path string, decls []ast.Decl, example string) {
	for _, d := range decls {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		next, named := step(at, name)
		if next == nil {
			continue
		}
		to := path
		if !named {
			to = join(path, name)
			if old := x.fields[next]; old == "" || len(example) < len(old) {
				x.fields[next] = example
			}
		}
		if old := x.paths[to]; old == "" || len(example) < len(old) {
			x.paths[to] = example
		}
		if body, ok := f.Value.(*ast.StructLit); ok {
			x.add(next, to, body.Elts, example)
		}
	}
}
