package schema

import (
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// prune takes out of a loaded schema the optional fields that the project cannot
// have written, as their names occur nowhere in it: CUE's work on a struct grows
// with the fields that it may have, and most services have few of them. It
// reports whether there were any. A name that is put together of parts is not
// seen here: what CUE then refuses is loaded once more with the whole schema.
//
// #App stays whole. Beside what a package embeds CUE takes any field, and so
// would not look at one that is not there.
func prune(project *build.Instance) bool {
	v1 := importedSchema(project, map[*build.Instance]bool{})
	if v1 == nil {
		return false
	}
	used := map[string]bool{}
	words(project, used, map[*build.Instance]bool{v1: true})
	pruned := false
	for _, f := range v1.Files {
		for _, d := range f.Decls {
			definition, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			body, ok := definition.Value.(*ast.StructLit)
			if name, _, _ := ast.LabelName(definition.Label); !ok || name == "#App" {
				continue
			}
			before := len(body.Elts)
			body.Elts = slices.DeleteFunc(body.Elts, func(d ast.Decl) bool {
				field, ok := d.(*ast.Field)
				if !ok || field.Constraint != token.OPTION {
					return false
				}
				name, _, err := ast.LabelName(field.Label)
				return err == nil && !used[name]
			})
			pruned = pruned || len(body.Elts) < before
		}
	}
	return pruned
}

// words collects the names and texts in the files of an instance and all that it
// imports.
func words(inst *build.Instance, into map[string]bool, seen map[*build.Instance]bool) {
	if seen[inst] {
		return
	}
	seen[inst] = true
	for _, f := range inst.Files {
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				into[n.Name] = true
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					break
				}
				text := strings.Trim(n.Value, `"`)
				if strings.ContainsAny(n.Value, "\\#'\n") {
					if unquoted, err := literal.Unquote(n.Value); err == nil {
						text = unquoted
					}
				}
				into[text] = true
			case *ast.CommentGroup:
				return false
			}
			return true
		}, nil)
	}
	for _, i := range inst.Imports {
		words(i, into, seen)
	}
}
