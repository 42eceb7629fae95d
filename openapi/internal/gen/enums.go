package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// enums are the values that Go source gives to fields: function name of the
// generated OpenAPI code → field → values.
type enums map[string]map[string][]string

// readEnums reads pkg/generated/openapi of k8s.io/kubernetes. Its functions are
// named after the package and the type they describe, such as
// schema_k8sio_api_core_v1_ServiceSpec.
func readEnums(dir string) (enums, error) {
	name := filepath.Join(dir, "pkg/generated/openapi/zz_generated.openapi.go")
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	out := enums{}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "schema_") {
			continue
		}
		fields := map[string][]string{}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok || !isName(kv.Key, "Properties") {
				return true
			}
			for _, p := range kv.Value.(*ast.CompositeLit).Elts {
				field := p.(*ast.KeyValueExpr)
				if values := enumIn(field.Value); values != nil {
					fields[literal(field.Key)] = values
				}
			}
			return false
		})
		if len(fields) > 0 {
			out[fn.Name.Name] = fields
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no enums", name)
	}
	return out, nil
}

// enumIn gives the values of the Enum in an expression: a field has one at most,
// its own or its elements'.
func enumIn(x ast.Expr) (values []string) {
	ast.Inspect(x, func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok || !isName(kv.Key, "Enum") {
			return true
		}
		for _, v := range kv.Value.(*ast.CompositeLit).Elts {
			values = append(values, literal(v))
		}
		return false
	})
	slices.Sort(values)
	return values
}

func isName(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

func literal(x ast.Expr) string {
	if lit, ok := x.(*ast.BasicLit); ok {
		if s, err := strconv.Unquote(lit.Value); err == nil {
			return s
		}
	}
	return ""
}

// addEnums writes the enums into the schemas they belong to. Functions of types
// that no API serves (the components' own configuration) have no schema.
func (s *spec) addEnums(e enums) error {
	functions := map[string][]string{} // by the last element, the type's name
	for fn := range e {
		typ := fn[strings.LastIndex(fn, "_")+1:]
		functions[typ] = append(functions[typ], fn)
	}
	used := 0
	for _, name := range sortedKeys(s.schemas) {
		flat := strings.NewReplacer(".", "_", "-", "_").Replace(name)
		var found []string
		for _, fn := range functions[name[strings.LastIndex(name, ".")+1:]] {
			if strings.HasSuffix(flat, "_"+strings.TrimPrefix(strings.TrimPrefix(fn, "schema_"), "k8sio_")) {
				found = append(found, fn)
			}
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			used++
		default:
			return fmt.Errorf("%s may be any of %v", name, found)
		}
		for field, values := range e[found[0]] {
			p := s.schemas[name].Properties[field]
			if p == nil {
				continue // behind a feature gate that the specification was made without
			}
			for p.Items != nil || p.AdditionalProperties != nil {
				if p.Items != nil {
					p = p.Items
				} else {
					p = p.AdditionalProperties
				}
			}
			if p.Type != "string" {
				return fmt.Errorf("%s.%s has enum values and type %q", name, field, p.Type)
			}
			p.Enum = values
		}
	}
	if used < len(e)/2 {
		return fmt.Errorf("only %d of %d types with enums were found in the specification", used, len(e))
	}
	return nil
}
