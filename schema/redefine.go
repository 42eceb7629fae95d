package schema

import (
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
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

// giveSchema puts a schema in the place of the relaxed one.
func (p Project) giveSchema(inst *build.Instance, files map[string][]byte) error {
	v1 := importedSchema(inst, map[*build.Instance]bool{})
	if v1 == nil {
		return nil
	}
	v1.Files = nil
	for name, data := range files {
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

// redefines looks for what a package of the project, and those that it imports, may
// make of the schema's definitions.
func redefines(inst *build.Instance) closing {
	var c closing
	c.read(inst, map[*build.Instance]bool{})
	return c
}

// closing is what packages have, apart from v1.#App where an App is.
type closing struct {
	schema bool // definitions of the schema
	closes bool // definitions of their own, or close()
	tests  bool // whether something is an error: x != _|_
}

// schemas gives those to try in place of the relaxed one, before it. An App that the
// outline gives without an error is the one that the whole schema gives: what it could
// refuse beside that, and so choose other alternatives for, is compared with it.
func (c closing) schemas() []func() map[string][]byte {
	switch {
	case c.schema && c.tests:
		return []func() map[string][]byte{bareSchema}
	case !c.schema || !c.closes:
		return nil
	}
	return []func() map[string][]byte{outlineSchema, bareSchema}
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
		case *ast.BinaryExpr:
			_, x := n.X.(*ast.BottomLit)
			_, y := n.Y.(*ast.BottomLit)
			c.tests = c.tests || (x || y) && (n.Op == token.EQL || n.Op == token.NEQ)
		case *ast.CommentGroup:
			return false
		}
		return true
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
