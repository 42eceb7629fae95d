package schema

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// writtenEnvironments gives the App's environments when it is plain to see in its
// files which there are: which is so for almost all projects, and takes no
// evaluation. It reports false when CUE has to tell.
func writtenEnvironments(files []*ast.File) ([]environment, bool) {
	w := written{fields: map[string][]string{}}
	for _, f := range files {
		if !w.file(f) {
			return nil, false
		}
	}
	if !w.app {
		return nil, false
	}
	var envs []environment
	for _, name := range sortedKeys(w.fields) {
		e := environment{name: name}
		for _, f := range fills {
			if slices.Contains(w.fields[name], f.name) {
				e.fields = append(e.fields, f.name)
			}
		}
		envs = append(envs, e)
	}
	return envs, true
}

// written is what files say of environments.
type written struct {
	app    bool                // v1.#App is embedded
	v1     string              // what the file calls the schema's package
	fields map[string][]string // by environment, those of fills
}

// file reads a file of the package. It reports false when it may say something of
// environments that is not plain to see.
func (w *written) file(f *ast.File) bool {
	w.v1 = schemaName(f)
	return w.decls(f.Decls, true)
}

// decls reads the fields of the App; those of a comprehension may not be there.
func (w *written) decls(decls []ast.Decl, there bool) bool {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Package, *ast.ImportDecl, *ast.CommentGroup, *ast.LetClause:
		case *ast.Field:
			name, ok := plainLabel(d)
			if !ok || name == "environments" && (!there || d.Constraint != token.ILLEGAL || !w.environments(d.Value)) {
				return false
			}
		case *ast.EmbedDecl:
			if !there || !w.embedded(d.Expr) {
				return false
			}
		case *ast.Comprehension:
			if body, ok := d.Value.(*ast.StructLit); !ok || d.Fallback != nil || !w.decls(body.Elts, false) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// embedded reads v1.#App, alone or with a struct.
func (w *written) embedded(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		of, ok := x.X.(*ast.Ident)
		name, _, err := ast.LabelName(x.Sel)
		if !ok || err != nil || w.v1 == "" || of.Name != w.v1 || name != "#App" {
			return false
		}
		w.app = true
		return true
	case *ast.BinaryExpr:
		return x.Op == token.AND && w.embedded(x.X) && w.embedded(x.Y)
	case *ast.StructLit:
		return w.decls(x.Elts, true)
	}
	return false
}

// environments reads the value of the App's field.
func (w *written) environments(x ast.Expr) bool {
	envs, ok := x.(*ast.StructLit)
	if !ok {
		return false
	}
	return plainFields(envs, func(env string, x ast.Expr) bool {
		body, ok := x.(*ast.StructLit)
		if !ok {
			return false
		}
		if w.fields[env] == nil {
			w.fields[env] = []string{}
		}
		return plainFields(body, func(name string, x ast.Expr) bool {
			for _, f := range fills {
				if f.name == name {
					w.fields[env] = append(w.fields[env], name)
					return kindOf(x) == f.kind
				}
			}
			return true
		})
	})
}

// plainFields visits the fields of a struct, as long as visit says so. It reports
// false too when there is something else in the struct.
func plainFields(s *ast.StructLit, visit func(name string, value ast.Expr) bool) bool {
	for _, d := range s.Elts {
		switch d := d.(type) {
		case *ast.CommentGroup:
		case *ast.Field:
			name, ok := plainLabel(d)
			if !ok || d.Constraint != token.ILLEGAL || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "#") || !visit(name, d.Value) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// plainLabel gives the name of a field that has one name.
func plainLabel(f *ast.Field) (string, bool) {
	switch f.Label.(type) {
	case *ast.Ident, *ast.BasicLit:
		name, _, err := ast.LabelName(f.Label)
		return name, err == nil && f.Alias == nil
	}
	return "", false
}

// kindOf is what a value is whatever else is there; BottomKind when that is open.
func kindOf(x ast.Expr) cue.Kind {
	switch x := x.(type) {
	case *ast.StructLit:
		for _, d := range x.Elts {
			switch d.(type) {
			case *ast.EmbedDecl, *ast.Comprehension:
				return cue.BottomKind // it may be the value
			}
		}
		return cue.StructKind
	case *ast.Interpolation:
		return cue.StringKind
	case *ast.BasicLit:
		if x.Kind == token.STRING && strings.HasPrefix(strings.TrimLeft(x.Value, "#"), `"`) {
			return cue.StringKind
		}
	}
	return cue.BottomKind
}
