package schema

import (
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/token"
)

// syntax is what the user's files say, by place, for errors that need it.
type syntax struct {
	files  []string
	values map[Pos]ast.Expr // the values of fields, by where they begin
	tags   map[Pos]string   // the names of @tag attributes, by where the value begins
}

func newSyntax(p Project, inst *build.Instance) *syntax {
	s := &syntax{values: map[Pos]ast.Expr{}, tags: map[Pos]string{}}
	for _, f := range inst.Files {
		if !p.isSchema(f.Filename) {
			s.files = append(s.files, p.file(f.Filename))
		}
	}
	s.read(p, inst, map[*build.Instance]bool{})
	return s
}

// read reads the files of an instance and of all that it imports.
func (s *syntax) read(p Project, inst *build.Instance, seen map[*build.Instance]bool) {
	if seen[inst] || inst.ImportPath == importPath {
		return
	}
	seen[inst] = true
	for _, f := range inst.Files {
		if p.isSchema(f.Filename) {
			continue
		}
		ast.Walk(f, func(n ast.Node) bool {
			f, ok := n.(*ast.Field)
			if !ok {
				return true
			}
			pos := p.pos(f.Value.Pos())
			s.values[pos] = f.Value
			for _, a := range f.Attrs {
				if key, body := a.Split(); key == "tag" {
					name, _, _ := strings.Cut(body, ",")
					s.tags[pos] = strings.TrimSpace(name)
				}
			}
			return true
		}, nil)
	}
	for _, i := range inst.Imports {
		s.read(p, i, seen)
	}
}

// refers reports whether the value at a place is only a reference to another, or
// something combined, parts of which have places of their own.
func (s *syntax) refers(p Pos) bool {
	switch x := s.values[p].(type) {
	case *ast.Ident:
		return !slices.Contains([]string{"string", "int", "number", "bool", "bytes", "float", "_"}, x.Name)
	case *ast.SelectorExpr, *ast.IndexExpr:
		return true
	case *ast.BinaryExpr:
		return x.Op == token.AND
	}
	return false
}

// source gives the text of the value at a place, in one short line, or "".
func (s *syntax) source(p Pos) string {
	x := s.values[p]
	if x == nil {
		return ""
	}
	b, err := format.Node(x)
	if err != nil {
		return ""
	}
	text := strings.Join(strings.Fields(string(b)), " ")
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	return text
}
