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
	files    []string
	values   map[Pos]ast.Expr    // the values of fields, by where they begin
	choices  map[Pos]Pos         // where values with alternatives begin, by each place in them
	lists    map[Pos]Pos         // where values that are lists begin, by where each item does
	repeated map[Pos]bool        // values in the bodies of for
	named    map[string][]Pos    // where the values of fields of a name begin
	embeds   map[Pos]bool        // values with @embed
	tags     map[Pos]string      // the names of @tag attributes, by where the value begins
	exported map[string][]string // what packages have for others, by the packages' names

	// What decides which fields there are: by each place in it, where the clause of a
	// comprehension or the computed name begins; and those beginnings.
	clauses map[Pos]Pos
	decides map[Pos]bool

	selectors map[Pos]*ast.SelectorExpr // by where the selected name begins
	selected  map[Pos]bool              // where something begins that a field is selected of
}

func newSyntax(p Project, inst *build.Instance) *syntax {
	s := &syntax{
		values: map[Pos]ast.Expr{}, choices: map[Pos]Pos{}, lists: map[Pos]Pos{}, repeated: map[Pos]bool{}, named: map[string][]Pos{},
		embeds: map[Pos]bool{}, tags: map[Pos]string{}, exported: map[string][]string{}, clauses: map[Pos]Pos{}, decides: map[Pos]bool{},
		selectors: map[Pos]*ast.SelectorExpr{}, selected: map[Pos]bool{},
	}
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
		for _, d := range f.Decls {
			if d, ok := d.(*ast.Field); ok {
				if name, _, err := ast.LabelName(d.Label); err == nil && !strings.HasPrefix(name, "_") {
					s.exported[inst.PkgName] = append(s.exported[inst.PkgName], name)
				}
			}
		}
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				s.field(p, n)
			case *ast.Comprehension:
				s.comprehension(p, n)
			case *ast.SelectorExpr:
				s.selectors[p.pos(n.Sel.Pos())] = n
				s.selected[p.pos(n.X.Pos())] = true
			}
			return true
		}, nil)
	}
	for _, i := range inst.Imports {
		s.read(p, i, seen)
	}
}

func (s *syntax) field(p Project, f *ast.Field) {
	pos := p.pos(f.Value.Pos())
	s.values[pos] = f.Value
	if name, _, err := ast.LabelName(f.Label); err == nil {
		s.named[name] = append(s.named[name], pos)
	} else {
		s.clause(p, f.Label)
	}
	if x, ok := f.Value.(*ast.BinaryExpr); ok && x.Op == token.OR {
		ast.Walk(x, func(n ast.Node) bool {
			s.choices[p.pos(n.Pos())] = pos
			_, inside := n.(*ast.StructLit)
			return !inside
		}, nil)
	}
	if x, ok := f.Value.(*ast.ListLit); ok {
		for _, item := range x.Elts {
			s.lists[p.pos(item.Pos())] = pos
		}
	}
	for _, a := range f.Attrs {
		switch key, body := a.Split(); key {
		case "tag":
			name, _, _ := strings.Cut(body, ",")
			s.tags[pos] = strings.TrimSpace(name)
		case "embed":
			s.embeds[pos] = true
		}
	}
}

func (s *syntax) comprehension(p Project, c *ast.Comprehension) {
	loops := false
	for _, clause := range c.Clauses {
		s.clause(p, clause)
		_, loop := clause.(*ast.ForClause)
		loops = loops || loop
	}
	if !loops {
		return
	}
	ast.Walk(c.Value, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok {
			s.repeated[p.pos(f.Value.Pos())] = true
		}
		return true
	}, nil)
}

// clause keeps where something begins that decides which fields there are.
func (s *syntax) clause(p Project, clause ast.Node) {
	at := p.pos(clause.Pos())
	s.decides[at] = true
	ast.Walk(clause, func(n ast.Node) bool {
		s.clauses[p.pos(n.Pos())] = at
		return true
	}, nil)
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

// selection gives where a name is selected, at one of places or in the value there;
// nil is nowhere.
func (s *syntax) selection(name string, places []Pos) *ast.SelectorExpr {
	for _, p := range places {
		if x := s.selectors[p]; x != nil {
			return x
		}
	}
	var found *ast.SelectorExpr
	for _, p := range places {
		if x := s.values[p]; x != nil {
			ast.Walk(x, func(n ast.Node) bool {
				if n, ok := n.(*ast.SelectorExpr); ok && found == nil {
					if selected, _, err := ast.LabelName(n.Sel); err == nil && selected == name {
						found = n
					}
				}
				return found == nil
			}, nil)
		}
	}
	return found
}

// dotted gives the path that an expression selects, such as "services.api.ports", or
// "?" when it is no such.
func dotted(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		if name, _, err := ast.LabelName(x.Sel); err == nil {
			return dotted(x.X) + "." + name
		}
	}
	return "?"
}

// referred gives places, with those of the fields that the values there only name.
func (s *syntax) referred(places []Pos) []Pos {
	all := slices.Clone(places)
	for _, p := range places {
		if x, ok := s.values[p].(*ast.Ident); ok {
			all = append(all, s.named[x.Name]...)
		}
	}
	return all
}

// inner gives those of places whose values have none of the others inside.
func (s *syntax) inner(places []Pos) []Pos {
	var kept []Pos
	for _, p := range places {
		x, around := s.values[p], false
		for _, q := range places {
			y := s.values[q]
			around = around || p != q && x != nil && y != nil && p.File == q.File && x.Pos().Offset() < y.Pos().Offset() && y.End().Offset() <= x.End().Offset()
		}
		if !around {
			kept = append(kept, p)
		}
	}
	return kept
}
