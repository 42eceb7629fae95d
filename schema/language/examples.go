package language

import (
	"cmp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
)

// examples are those of the schema's comments, each a part of an App, by the fields
// that they use, wherever the structs of these are.
type examples map[*Field][]use

// use is one use of a field in an example.
type use struct {
	example string
	path    string // of the field in the example
	owner   *Field // whose comment the example is in
	ownerAt string // its path
}

// of gives the example of a field: its own, or else the one that uses it nearest to
// its path; of those the one of the nearest field, and then the shortest.
func (x examples) of(f *Field, path string) use {
	if f.remark.example != "" {
		return use{example: f.remark.example, path: path, owner: f, ownerAt: path}
	}
	uses := x[f]
	if len(uses) == 0 {
		return use{}
	}
	return slices.MinFunc(uses, func(a, b use) int {
		return cmp.Or(
			-cmp.Compare(common(a.path, path), common(b.path, path)),
			-cmp.Compare(common(a.ownerAt, path), common(b.ownerAt, path)),
			cmp.Compare(len(a.example), len(b.example)),
		)
	})
}

// common counts the names that two paths begin with.
func common(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// examples collects them. What is wrong with one is found by the tests.
func (s *Shapes) examples() examples {
	x := examples{}
	add := func(owner *Field, path string) {
		file, err := parser.ParseFile("", owner.remark.example)
		if err == nil && owner.remark.example != "" {
			x.add(s.Top, "", file.Decls, use{example: owner.remark.example, owner: owner, ownerAt: path})
		}
	}
	add(s.Top, "")
	seen := map[*Field]bool{}
	s.walk(func(f *Field, path string) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		add(f, path)
		return true
	})
	return x
}

// add notes the fields that an example uses.
func (x examples) add(at *Field, path string, decls []ast.Decl, u use) {
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
			if named := below(at).named(); len(named) > 0 && named[len(named)-1].Name == AnyName {
				u.path = Join(path, AnyName)
				x[named[len(named)-1]] = append(x[named[len(named)-1]], u)
			}
			continue
		}
		to := path
		if !named {
			to = Join(path, name)
			u.path = to
			x[next] = append(x[next], u)
		}
		if body, ok := f.Value.(*ast.StructLit); ok {
			x.add(next, to, body.Elts, u)
		}
	}
}
