package schema

import (
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

// shape is what the schema's syntax says about a value: which fields it may
// have, and its parts. What a scalar must be stays an expression of CUE's.
type shape struct {
	expr     ast.Expr
	scalar   bool     // some alternative is a scalar
	fields   []*field // of its struct, when it may be one
	patterns []*field
	structs  bool   // it may be a struct
	open     bool   // of any fields besides
	elem     *shape // of its list, when it may be one

	definition string // the name of the definition that its struct is
}

// field is a field of the schema, or a pattern for fields.
type field struct {
	name     string
	pattern  ast.Expr // of a pattern, whose name is anyName
	required bool
	must     string   // @must: what its value must be
	key      string   // @key: what the names that a pattern takes must be
	aka      []string // @aka: what the field is called elsewhere
	remark   remark   // its comment
	shape    *shape
}

func (s *shape) field(name string) *field {
	for _, f := range s.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// names are the fields that a struct may have, those of patterns apart.
func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// shapes reads the shapes of definitions from the schema's syntax.
type shapes struct {
	definitions map[string]*ast.Field
	made        map[string]*shape
	top         *field // the App
}

// readShapes parses the embedded schema, once; what it gives is only looked at.
var readShapes = sync.OnceValues(func() (*shapes, error) {
	s := &shapes{definitions: map[string]*ast.Field{}, made: map[string]*shape{}}
	for name, data := range v1.Files() {
		f, err := parser.ParseFile(name, data, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.Field); ok {
				unresolve(d)
				name, _, _ := ast.LabelName(d.Label)
				s.definitions[name] = d
			}
		}
	}
	for name := range s.definitions {
		s.definition(name)
	}
	s.top = &field{shape: s.definition("#App"), remark: remark{example: newRemark(s.definitions["#App"]).example}}
	return s, nil
})

// unresolve takes out what the parser found names to refer to, so that parts of
// the syntax can be evaluated by themselves.
func unresolve(n ast.Node) {
	ast.Walk(n, func(n ast.Node) bool {
		if x, ok := n.(*ast.Ident); ok {
			x.Node, x.Scope = nil, nil
		}
		return true
	}, nil)
}

// definition gives the shape of a definition such as "#App".
func (s *shapes) definition(name string) *shape {
	if made := s.made[name]; made != nil {
		return made
	}
	made := &shape{}
	s.made[name] = made // before its value, which may refer to it
	if d := s.definitions[name]; d != nil {
		*made = *s.value(d.Value)
		made.definition = name
	}
	return made
}

// value gives the shape of an expression.
func (s *shapes) value(x ast.Expr) *shape {
	made := &shape{expr: x}
	switch x := x.(type) {
	case *ast.ParenExpr:
		made = s.value(x.X)
	case *ast.Ident:
		if strings.HasPrefix(x.Name, "#") {
			return s.definition(x.Name)
		}
		made.scalar = true
	case *ast.StructLit:
		made.structs = true
		for _, e := range x.Elts {
			switch e := e.(type) {
			case *ast.Field:
				s.add(made, e)
			case *ast.EmbedDecl:
				embedded := s.value(e.Expr)
				made.fields = append(made.fields, embedded.fields...)
				made.patterns = append(made.patterns, embedded.patterns...)
			case *ast.Ellipsis:
				made.open = true
			}
		}
	case *ast.ListLit:
		for _, e := range x.Elts {
			if e, ok := e.(*ast.Ellipsis); ok && e.Type != nil {
				made.elem = s.value(e.Type)
			}
		}
	case *ast.BinaryExpr:
		if x.Op != token.OR {
			made.scalar = true
			break
		}
		for _, side := range []*shape{s.value(x.X), s.value(x.Y)} {
			made.scalar = made.scalar || side.scalar
			if side.structs {
				made.structs, made.open, made.fields, made.patterns = true, side.open, side.fields, side.patterns
				made.definition = side.definition
			}
			if side.elem != nil {
				made.elem = side.elem
			}
		}
	default:
		made.scalar = true
	}
	return made
}

func (s *shapes) add(to *shape, f *ast.Field) {
	made := &field{required: f.Constraint == token.NOT, remark: newRemark(f)}
	if list, ok := f.Label.(*ast.ListLit); ok && len(list.Elts) == 1 {
		made.name, made.pattern = anyName, list.Elts[0]
		to.patterns = append(to.patterns, made)
	} else {
		made.name, _, _ = ast.LabelName(f.Label)
		if strings.HasPrefix(made.name, "_") {
			return
		}
		to.fields = append(to.fields, made)
	}
	for _, a := range f.Attrs {
		key, body := a.Split()
		words := unquoteAll(body)
		switch key {
		case "must":
			made.must = strings.Join(words, "")
		case "key":
			made.key = strings.Join(words, "")
		case "aka":
			made.aka = words
		}
	}
	made.shape = s.value(f.Value)
}

// unquoteAll reads the strings of an attribute: "a","b".
func unquoteAll(body string) []string {
	x, err := parser.ParseExpr("", "["+body+"]")
	if err != nil {
		return nil
	}
	var words []string
	if list, ok := x.(*ast.ListLit); ok {
		for _, e := range list.Elts {
			if lit, ok := e.(*ast.BasicLit); ok {
				if w, err := literal.Unquote(lit.Value); err == nil {
					words = append(words, w)
				}
			}
		}
	}
	return words
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
