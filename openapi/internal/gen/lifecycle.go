package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lifecycle is what the APILifecycle methods of a kind answer: minor versions of
// Kubernetes 1, 0 when there is no such method.
type lifecycle struct {
	deprecated, removed int
	replacement         string // "networking.k8s.io/v1 Ingress"
}

// readLifecycle adds what the types of a module say. Later releases come later,
// and overrule what an earlier one planned.
func readLifecycle(module string, into map[gvk]lifecycle) error {
	for _, depth := range []string{"*/*", "pkg/apis/*/*"} {
		files, err := filepath.Glob(filepath.Join(module, depth, "zz_generated.prerelease-lifecycle.go"))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := readLifecycleFile(f, into); err != nil {
				return err
			}
		}
	}
	return nil
}

func readLifecycleFile(name string, into map[gvk]lifecycle) error {
	dir := filepath.Dir(name)
	group, err := groupOf(dir)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv == nil || !strings.HasPrefix(fn.Name.Name, "APILifecycle") {
			continue
		}
		star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		kind := gvk{group, filepath.Base(dir), star.X.(*ast.Ident).Name}
		if strings.HasSuffix(kind.Kind, "List") {
			continue
		}
		l := into[kind]
		result := fn.Body.List[len(fn.Body.List)-1].(*ast.ReturnStmt).Results
		switch fn.Name.Name {
		case "APILifecycleDeprecated":
			l.deprecated = number(result[1])
		case "APILifecycleRemoved":
			l.removed = number(result[1])
		case "APILifecycleReplacement":
			l.replacement = replacement(result[0])
		}
		into[kind] = l
	}
	return nil
}

func number(x ast.Expr) int {
	n, _ := strconv.Atoi(x.(*ast.BasicLit).Value)
	return n
}

func replacement(x ast.Expr) string {
	values := map[string]string{}
	for _, e := range x.(*ast.CompositeLit).Elts {
		kv := e.(*ast.KeyValueExpr)
		values[kv.Key.(*ast.Ident).Name] = literal(kv.Value)
	}
	return gvk{values["Group"], values["Version"], ""}.apiVersion() + " " + values["Kind"]
}

// groupOf finds the API group of the package in dir: the GroupName constant of
// its register.go.
func groupOf(dir string) (string, error) {
	src, err := os.ReadFile(filepath.Join(dir, "register.go"))
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(src), "GroupName = \"")
	if after == "" {
		// The sisters keep the constant one folder up.
		return groupOf(filepath.Dir(dir))
	}
	group, _, _ := strings.Cut(after, "\"")
	return group, nil
}
