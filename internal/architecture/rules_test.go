// Package architecture has no code, only the test that the rooms keep to
// their places: who imports whom, and which room alone knows a library. The
// rules are those of the design; a new room is a new line here.
package architecture

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/shipit-dev/shipit"

// file is what the rules see of a Go file.
type file struct {
	pkg  string   // its package's folder: "internal/deploy"
	test bool     // it is a _test.go file
	uses []string // import paths, and names such as "os.Exit"
}

// room is one of our packages, with all below it but what is a room itself.
type room struct {
	folder string
	// imports are the rooms it may import.
	imports []string
	// tests are the rooms that its test files may import too.
	tests []string
}

func rooms() []room {
	four := []string{"schema", "render", "registry", "apply"}
	return []room{
		{folder: "cmd", imports: append(four, "openapi", "internal/confine", "internal/deploy", "internal/heap", "internal/mask", "internal/nearest", "internal/testimage"), tests: []string{"internal/faultproxy", "internal/invariant"}},
		{folder: "internal/deploy", imports: append(four, "openapi", "internal/revision", "internal/sops")},
		{folder: "render", imports: []string{"schema"}},
		{folder: "schema", imports: []string{"internal/confine", "internal/nearest", "internal/sops"}},
		{folder: "registry"},
		{folder: "apply", imports: []string{"internal/mask", "internal/nearest"}, tests: []string{"internal/faultproxy", "internal/invariant", "internal/testimage"}},
		{folder: "apply/health"}, // which talks to nobody
		{folder: "openapi", imports: []string{"internal/nearest"}},
		{folder: "internal/sops", imports: []string{"internal/nearest"}},
		{folder: "internal/heap", imports: []string{"internal/supervise"}},
		{folder: "internal/supervise", imports: []string{"internal/confine"}},
		{folder: "internal/confine"},
		{folder: "internal/testimage"},
		{folder: "internal/faultproxy"},
		{folder: "internal/invariant"},
		{folder: "internal/chaos", tests: []string{"internal/faultproxy", "internal/invariant", "internal/testimage"}},
		{folder: "internal/mask"},
		{folder: "internal/nearest"},
		{folder: "internal/revision"},
		{folder: "internal/architecture"},
		{folder: "internal/bench", tests: append(four, "internal/deploy")},
	}
}

// reserved is a library, or a name, that only some rooms may use.
type reserved struct {
	what  string   // an import path with all below it, or a name
	rooms []string // who may
	tests []string // whose test files may too; "*" is everyone's
}

func reservations() []reserved {
	cmd := []string{"cmd"}
	everyone := []string{"*"}
	// The program in the tests' image is a program, as is what makes a file.
	programs := []string{"cmd", "internal/testimage/app", "openapi/internal/gen", "internal/bench/processes"}
	return []reserved{
		{what: "github.com/spf13/cobra", rooms: cmd},
		{what: "github.com/spf13/pflag", rooms: cmd},
		{what: "github.com/fatih/color", rooms: cmd},
		{what: "golang.org/x/term", rooms: cmd},
		// It imports Kustomize, which loads Go plugins: for those the linker keeps
		// everything, a third of the program.
		{what: "k8s.io/cli-runtime"},
		{what: "cuelang.org/go", rooms: []string{"schema"}, tests: everyone},
		{what: "filippo.io/age", rooms: []string{"internal/sops"}},
		{what: "github.com/google/go-containerregistry", rooms: []string{"registry", "internal/testimage"}},
		{what: "github.com/moby/buildkit", rooms: []string{"registry"}},
		// The kubeconfig flags speak in these types.
		{what: "k8s.io/client-go/rest", rooms: []string{"apply", "cmd", "internal/faultproxy"}, tests: []string{"internal/chaos"}},
		{what: "k8s.io/client-go/tools/clientcmd", rooms: cmd, tests: []string{"apply", "internal/chaos", "openapi"}},
		{what: "k8s.io/client-go", rooms: []string{"apply", "internal/invariant"}, tests: []string{"cmd", "internal/chaos", "openapi"}},
		{what: "sigs.k8s.io/cli-utils", rooms: []string{"apply/health"}},
		// The API server's own code, for custom resources; it is heavy.
		{what: "k8s.io/apiextensions-apiserver", rooms: []string{"openapi"}},
		{what: "k8s.io/apiserver", rooms: []string{"openapi"}},
		{what: "os.Exit", rooms: append(programs, "internal/supervise"), tests: everyone},
		{what: "os.Stdin", rooms: append(cmd, "internal/supervise"), tests: everyone},
		{what: "os.Stdout", rooms: append(cmd, "internal/supervise", "internal/bench/processes"), tests: everyone},
		{what: "os.Stderr", rooms: append(cmd, "internal/bench/processes", "internal/supervise"), tests: everyone},
		{what: "os.Getenv", rooms: append(programs, "internal/supervise"), tests: everyone},
		{what: "os.LookupEnv", rooms: append(programs, "internal/heap"), tests: everyone},
		// The go command and credential helpers run in it.
		{what: "os.Environ", rooms: []string{"cmd", "registry", "internal/supervise", "internal/testimage"}, tests: everyone},
		{what: "fmt.Print", rooms: programs, tests: everyone},
		{what: "fmt.Printf", rooms: programs, tests: everyone},
		{what: "fmt.Println", rooms: programs, tests: everyone},
		{what: "log", rooms: append(programs, "internal/faultproxy"), tests: everyone},
		// The heap has to be right before other packages fill it.
		{what: "func init", rooms: []string{"internal/heap", "internal/supervise"}},
	}
}

// violations gives the rules that f breaks.
func violations(f file) []string {
	home, ok := roomOf(f.pkg)
	if !ok {
		return []string{fmt.Sprintf("%s is not a room: say in rooms() what it may import", f.pkg)}
	}
	var broken []string
	for _, use := range f.uses {
		if ours, ok := strings.CutPrefix(use, module+"/"); ok {
			if !mayImport(home, f, ours) {
				broken = append(broken, fmt.Sprintf("%s must not import %s", f.pkg, ours))
			}
			continue
		}
		if r, ok := reservation(use); ok && !home.among(f.pkg, r.rooms) && (!f.test || !home.among(f.pkg, r.tests)) {
			broken = append(broken, fmt.Sprintf("%s must not use %s", f.pkg, use))
		}
	}
	return broken
}

// roomOf finds the one of pkg whose folder is longest.
func roomOf(pkg string) (found room, ok bool) {
	for _, r := range rooms() {
		if within(pkg, []string{r.folder}) && len(r.folder) > len(found.folder) {
			found, ok = r, true
		}
	}
	return found, ok
}

// among reports whether pkg, of this room, is one of folders or below one. What a
// room may, a room inside of it may not.
func (r room) among(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return within(pkg, []string{f}) && (f == "*" || within(f, []string{r.folder}))
	})
}

// mayImport reports whether f, of the room home, may import our package ours.
// A package may import its own room, as an external test package does; a
// program is imported by nobody.
func mayImport(home room, f file, ours string) bool {
	if within(ours, []string{"cmd"}) {
		return false
	}
	return within(ours, []string{home.folder}) || within(ours, home.imports) || f.test && within(ours, home.tests)
}

// reservation finds the one for use whose name is longest.
func reservation(use string) (found reserved, ok bool) {
	for _, r := range reservations() {
		if within(use, []string{r.what}) && len(r.what) > len(found.what) {
			found, ok = r, true
		}
	}
	return found, ok
}

// within reports whether path is one of folders or below one.
func within(path string, folders []string) bool {
	for _, f := range folders {
		if f == "*" || path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}
