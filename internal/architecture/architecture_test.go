package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every Go file of the module keeps to the rules, whatever platform it is for.
func TestRooms(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root:
			return skip(path, d)
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		f, err := read(root, path)
		if err != nil {
			return err
		}
		seen[f.pkg] = true
		for _, v := range violations(f) {
			t.Errorf("%s: %s", path, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"schema", "render", "registry", "apply", "apply/health", "internal/deploy", "cmd/shipit"} {
		if !seen[pkg] {
			t.Errorf("%s was not looked at", pkg)
		}
	}
}

// skip leaves out what is no part of the module: other modules, test data,
// hidden folders.
func skip(path string, d fs.DirEntry) error {
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	if err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
		return fs.SkipDir
	}
	return nil
}

// read gives what a file imports and which names of packages it uses.
func read(root, path string) (file, error) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return file{}, err
	}
	f := file{
		pkg:  filepath.ToSlash(filepath.Dir(rel)),
		test: strings.HasSuffix(path, "_test.go"),
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	for _, imp := range parsed.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return file{}, err
		}
		f.uses = append(f.uses, p)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(f.uses, x.Name) {
				f.uses = append(f.uses, x.Name+"."+n.Sel.Name)
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				f.uses = append(f.uses, "func init")
			}
		}
		return true
	})
	return f, nil
}

// The rules can be broken.
func TestViolations(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pkg    string
		test   bool
		use    string
		broken bool
	}{
		{pkg: "cmd/shipit", use: module + "/schema"},
		{pkg: "cmd/shipit", use: module + "/internal/deploy"},
		{pkg: "cmd/shipit", use: "github.com/spf13/cobra"},
		{pkg: "cmd/shipit", use: "os.Exit"},
		{pkg: "cmd/shipit", use: "k8s.io/client-go/tools/clientcmd/api"},
		{pkg: "cmd/shipit", use: "k8s.io/client-go/dynamic", broken: true},
		{pkg: "cmd/shipit", use: "k8s.io/client-go/dynamic", test: true},
		{pkg: "cmd/shipit", use: "cuelang.org/go/cue", broken: true},
		{pkg: "cmd/shipit", use: "cuelang.org/go/cmd/cue/cmd", test: true},
		{pkg: "cmd/shipit", use: "github.com/google/go-containerregistry/pkg/name", broken: true},
		{pkg: "cmd/shipit", use: "func init", broken: true},

		{pkg: "internal/deploy", use: module + "/registry"},
		{pkg: "internal/deploy", use: module + "/cmd/shipit", broken: true},
		{pkg: "internal/deploy", use: "os.Stderr", broken: true},
		{pkg: "internal/new", use: "fmt", broken: true},

		{pkg: "render", use: module + "/schema"},
		{pkg: "render", use: module + "/apply", broken: true},
		{pkg: "render", use: module + "/apply", test: true, broken: true},
		{pkg: "render", use: "k8s.io/api/core/v1"},
		{pkg: "render", use: "k8s.io/client-go/kubernetes/scheme", broken: true},

		{pkg: "schema", use: "cuelang.org/go/cue"},
		{pkg: "schema", use: module + "/render", broken: true},
		{pkg: "schema", use: module + "/schema", test: true},
		{pkg: "schema", use: "github.com/fatih/color", broken: true},

		{pkg: "registry", use: "github.com/google/go-containerregistry/pkg/v1/remote"},
		{pkg: "registry", use: module + "/schema", broken: true},
		{pkg: "registry", use: "os.Getenv", broken: true},
		{pkg: "registry", use: "log", test: true},
		{pkg: "registry", use: "log", broken: true},
		{pkg: "registry", use: "log/slog", broken: true},

		{pkg: "apply", use: "k8s.io/client-go/dynamic"},
		{pkg: "apply", use: "k8s.io/client-go/tools/clientcmd", broken: true},
		{pkg: "apply", use: module + "/internal/testimage", test: true},
		{pkg: "apply", use: module + "/internal/testimage", broken: true},
		{pkg: "apply", use: module + "/render", broken: true},
		{pkg: "apply", use: "cuelang.org/go/cue", broken: true},
		{pkg: "apply", use: "github.com/spf13/pflag", broken: true},
		{pkg: "apply", use: "fmt.Println", broken: true},
		{pkg: "apply", use: "os.Exit", test: true},
		{pkg: "apply", use: module + "/apply/health"},

		{pkg: "apply/health", use: "sigs.k8s.io/cli-utils/pkg/kstatus/status"},
		{pkg: "apply/health", use: "os.Exit", test: true},
		{pkg: "apply/health", use: "k8s.io/client-go/dynamic", broken: true},
		{pkg: "apply/health", use: module + "/apply", broken: true},
		{pkg: "apply/health", use: module + "/internal/nearest", broken: true},
	} {
		f := file{pkg: test.pkg, test: test.test, uses: []string{test.use}}
		if got := violations(f); len(got) > 0 != test.broken {
			t.Errorf("%+v: got %q, want broken: %v", f, got, test.broken)
		}
	}
}

// What a file uses is found in it, wherever it stands.
func TestRead(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "apply"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "apply", "x_windows.go")
	src := "package apply\n\nimport (\n\t\"os\"\n\t_ \"log\"\n)\n\nfunc init() { f := os.Exit; f(1) }\n"
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := read(root, path)
	if err != nil {
		t.Fatal(err)
	}
	if f.pkg != "apply" || f.test || !slices.Equal(f.uses, []string{"os", "log", "func init", "os.Exit"}) {
		t.Errorf("got %+v", f)
	}
}
