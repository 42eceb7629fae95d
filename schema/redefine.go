package schema

import (
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
)

// importedSchema finds the schema among all that inst imports.
func importedSchema(inst *build.Instance, seen map[*build.Instance]bool) *build.Instance {
	if inst == nil || seen[inst] {
		return nil
	}
	seen[inst] = true
	for _, i := range inst.Imports {
		if i.ImportPath == importPath {
			return i
		}
		if found := importedSchema(i, seen); found != nil {
			return found
		}
	}
	return nil
}

// giveSchema puts the whole schema in the place of the relaxed one.
func (p Project) giveSchema(inst *build.Instance) error {
	v1 := importedSchema(inst, map[*build.Instance]bool{})
	if v1 == nil {
		return nil
	}
	v1.Files = nil
	for name, data := range bareSchema() {
		f, err := parser.ParseFile(filepath.Join(p.Root, filepath.FromSlash(vendorDir), name), data)
		if err != nil {
			return err
		}
		if err := v1.AddSyntax(f); err != nil {
			return err
		}
	}
	return nil
}

// redefines reports whether a package of the project, or one that it imports, may
// use definitions of the schema in definitions of its own, or close what has them.
func redefines(inst *build.Instance) bool {
	var c closing
	c.read(inst, map[*build.Instance]bool{})
	return c.schema && c.closes
}

// closing is what packages have, apart from v1.#App where an App is.
type closing struct {
	schema bool // definitions of the schema
	closes bool // definitions of their own, or close()
}

func (c *closing) read(inst *build.Instance, seen map[*build.Instance]bool) {
	if seen[inst] || inst.ImportPath == importPath {
		return
	}
	seen[inst] = true
	for _, f := range inst.Files {
		v1 := schemaName(f)
		for _, d := range f.Decls {
			if e, ok := d.(*ast.EmbedDecl); ok {
				c.embedded(e.Expr, v1)
			} else {
				c.node(d, v1)
			}
		}
	}
	for _, i := range inst.Imports {
		c.read(i, seen)
	}
}

// embedded reads what is embedded in a package: v1.#App is an App.
func (c *closing) embedded(x ast.Expr, v1 string) {
	switch x := x.(type) {
	case *ast.BinaryExpr:
		c.embedded(x.X, v1)
		c.embedded(x.Y, v1)
	case *ast.SelectorExpr:
		if name, _, err := ast.LabelName(x.Sel); err != nil || name != "#App" {
			c.node(x, v1)
		}
	default:
		c.node(x, v1)
	}
}

func (c *closing) node(n ast.Node, v1 string) {
	ast.Walk(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			name, _, err := ast.LabelName(n.Label)
			c.closes = c.closes || err == nil && (strings.HasPrefix(name, "#") || strings.HasPrefix(name, "_#"))
		case *ast.CallExpr:
			of, ok := n.Fun.(*ast.Ident)
			c.closes = c.closes || ok && of.Name == "close"
		case *ast.SelectorExpr:
			of, ok := n.X.(*ast.Ident)
			c.schema = c.schema || ok && v1 != "" && of.Name == v1
		case *ast.CommentGroup:
			return false
		}
		return !c.schema || !c.closes
	}, nil)
}

// schemaName is what a file calls the schema's package; "" does not import it.
func schemaName(f *ast.File) string {
	name := ""
	for s := range f.ImportSpecs() {
		if path, err := literal.Unquote(s.Path.Value); err == nil && path == importPath {
			name = "v1"
			if s.Name != nil {
				name = s.Name.Name
			}
		}
	}
	return name
}
