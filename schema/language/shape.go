// Package language says which words shipit.dev/v1 has, what they may be, and what
// they mean, as the schema's syntax and comments tell it.
package language

import (
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

// Shape is what the schema's syntax says about a value: which fields it may
// have, and its parts. What a scalar must be stays an expression of CUE's.
type Shape struct {
	Expr     ast.Expr
	Scalar   bool     // some alternative is a scalar
	Fields   []*Field // of its struct, when it may be one
	Patterns []*Field
	Structs  bool   // it may be a struct
	Open     bool   // of any fields besides
	Elem     *Shape // of its list, when it may be one

	Definition string // the name of the definition that its struct is
}

// Field is a field of the schema, or a pattern for fields.
type Field struct {
	Name     string
	Pattern  ast.Expr // of a pattern, whose name is AnyName
	Required bool
	Must     string   // @must: what its value must be
	Key      string   // @key: what the names that a pattern takes must be
	Aka      []string // @aka: what the field is called elsewhere
	Shape    *Shape
	remark   remark // its comment
}

// Field gives the field of a name, or nil.
func (s *Shape) Field(name string) *Field {
	for _, f := range s.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Names are the fields that a struct may have, those of patterns apart.
func (s *Shape) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// Shapes are those of the schema's definitions.
type Shapes struct {
	Top         *Field                // the App
	Definitions map[string]*ast.Field // their syntax, by names such as "#App"
	made        map[string]*Shape
}

// Read parses the embedded schema, once; what it gives is only looked at.
var Read = sync.OnceValues(func() (*Shapes, error) {
	s := &Shapes{Definitions: map[string]*ast.Field{}, made: map[string]*Shape{}}
	for name, data := range v1.Files() {
		f, err := parser.ParseFile(name, data, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.Field); ok {
				unresolve(d)
				name, _, _ := ast.LabelName(d.Label)
				s.Definitions[name] = d
			}
		}
	}
	for name := range s.Definitions {
		s.Definition(name)
	}
	s.Top = &Field{Shape: s.Definition("#App"), remark: remark{example: newRemark(s.Definitions["#App"]).example}}
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

// Definition gives the shape of a definition such as "#App".
func (s *Shapes) Definition(name string) *Shape {
	if made := s.made[name]; made != nil {
		return made
	}
	made := &Shape{}
	s.made[name] = made // before its value, which may refer to it
	if d := s.Definitions[name]; d != nil {
		*made = *s.value(d.Value)
		made.Definition = name
	}
	return made
}

// value gives the shape of an expression.
func (s *Shapes) value(x ast.Expr) *Shape {
	made := &Shape{Expr: x}
	switch x := x.(type) {
	case *ast.ParenExpr:
		made = s.value(x.X)
	case *ast.Ident:
		if strings.HasPrefix(x.Name, "#") {
			return s.Definition(x.Name)
		}
		made.Scalar = true
	case *ast.StructLit:
		made.Structs = true
		for _, e := range x.Elts {
			switch e := e.(type) {
			case *ast.Field:
				s.add(made, e)
			case *ast.EmbedDecl:
				embedded := s.value(e.Expr)
				made.Fields = append(made.Fields, embedded.Fields...)
				made.Patterns = append(made.Patterns, embedded.Patterns...)
			case *ast.Ellipsis:
				made.Open = true
			}
		}
	case *ast.ListLit:
		for _, e := range x.Elts {
			if e, ok := e.(*ast.Ellipsis); ok && e.Type != nil {
				made.Elem = s.value(e.Type)
			}
		}
	case *ast.BinaryExpr:
		if x.Op != token.OR {
			made.Scalar = true
			break
		}
		for _, side := range []*Shape{s.value(x.X), s.value(x.Y)} {
			made.Scalar = made.Scalar || side.Scalar
			if side.Structs {
				made.Structs, made.Open, made.Fields, made.Patterns = true, side.Open, side.Fields, side.Patterns
				made.Definition = side.Definition
			}
			if side.Elem != nil {
				made.Elem = side.Elem
			}
		}
	default:
		made.Scalar = true
	}
	return made
}

func (s *Shapes) add(to *Shape, f *ast.Field) {
	made := &Field{Required: f.Constraint == token.NOT, remark: newRemark(f)}
	if list, ok := f.Label.(*ast.ListLit); ok && len(list.Elts) == 1 {
		made.Name, made.Pattern = AnyName, list.Elts[0]
		to.Patterns = append(to.Patterns, made)
	} else {
		made.Name, _, _ = ast.LabelName(f.Label)
		if strings.HasPrefix(made.Name, "_") {
			return
		}
		to.Fields = append(to.Fields, made)
	}
	for _, a := range f.Attrs {
		key, body := a.Split()
		words := unquoteAll(body)
		switch key {
		case "must":
			made.Must = strings.Join(words, "")
		case "key":
			made.Key = strings.Join(words, "")
		case "aka":
			made.Aka = words
		}
	}
	made.Shape = s.value(f.Value)
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

// Join puts a name behind a path; "" is the path of the App.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
