package registry

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// good and bad programs of one module, and of another that is broken.
const goodAndBad = `
-- go.mod --
module example.com/shop

go 1.26
-- web/main.go --
package main

func main() { println("web") }
-- basket/main.go --
package main

import "example.com/shop/lib"

func main() { lib.F() }
-- lib/f.go --
package lib

func F() {}
-- importsprogram/main.go --
package main

import _ "example.com/shop/web"

func main() {}
-- importsnothing/main.go --
package main

import _ "example.com/shop/nothing"

func main() {}
-- undefined/main.go --
package main

func main() { greet() }
-- syntax/main.go --
package main

func main() {
-- twopackages/a.go --
package main
-- twopackages/b.go --
package other
-- cycle/main.go --
package main

import _ "example.com/shop/cycle/a"

func main() {}
-- cycle/a/a.go --
package a

import _ "example.com/shop/cycle/b"
-- cycle/b/b.go --
package b

import _ "example.com/shop/cycle/a"
-- otherplatform/main_windows.go --
package main
-- nofiles/README.md --
Nothing.
-- not a path/main.go --
package main

func main() {}
-- version@v1/main.go --
package main

func main() {}
-- brokenmodule/go.mod --
modul example.com/broken
-- brokenmodule/main.go --
package main

func main() {}
`

// Together, each build comes to what it comes to alone, in its result or in
// the type and words of its error.
func TestBuildAllGoodAndBad(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	dir := project(t, goodAndBad)
	var specs []Build
	for _, pkg := range []string{
		"web", "basket", "lib", "importsprogram", "importsnothing", "undefined", "syntax", "twopackages", "cycle",
		"otherplatform", "nofiles", "not a path", "version@v1", "brokenmodule", "missing",
	} {
		specs = append(specs, Build{Name: "x", Repository: srv.Host + "/shop/x", Go: &GoBuild{Dir: dir, Package: "./" + pkg}})
	}
	specs = append(specs,
		Build{Name: "nothing", Repository: srv.Host + "/shop/x"},
		Build{Name: "x", Repository: "https://" + srv.Host, Go: &GoBuild{Dir: dir, Package: "./web"}},
		Build{Name: "x", Repository: srv.Host + "/shop/x", Go: &GoBuild{Dir: dir, Package: "./web", Platforms: []string{"plan9/arm"}}},
	)
	type outcome struct {
		digest string
		err    error
	}
	b := newBuilder(t, Options{})
	alone := make([]outcome, len(specs))
	for i, spec := range specs {
		r, err := b.Build(t.Context(), spec)
		alone[i] = outcome{r.Digest, err}
		if good := i < 2; good != (err == nil) {
			t.Errorf("%v alone: %v", spec.Go, err)
		}
	}
	together := make([]*outcome, len(specs))
	b.BuildAll(t.Context(), specs, nil, func(i int, r Result, err error) {
		if together[i] != nil {
			t.Errorf("%v is done twice", specs[i].Go)
		}
		together[i] = &outcome{r.Digest, err}
	})
	for i, spec := range specs {
		got, want := together[i], alone[i]
		switch {
		case got == nil:
			t.Errorf("%v is never done", spec.Go)
		case got.digest != want.digest || fmt.Sprint(got.err) != fmt.Sprint(want.err) || reflect.TypeOf(got.err) != reflect.TypeOf(want.err):
			t.Errorf("%v\nalone:    %s %T: %v\ntogether: %s %T: %v", spec.Go, want.digest, want.err, want.err, got.digest, got.err, got.err)
		}
	}
}

// Unchanged programs of one module cost two go commands in all, and of the
// registry one question each.
func TestBuildAllUnchanged(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	dir := project(t, goodAndBad)
	specs := []Build{helloBuild(srv.Host, dir), helloBuild(srv.Host, dir)}
	specs[1].Name, specs[1].Repository, specs[1].Go.Package = "basket", srv.Host+"/shop/basket", "./basket"
	built := func(b *Builder) (built []bool) {
		built = make([]bool, len(specs))
		b.BuildAll(t.Context(), specs, nil, func(i int, r Result, err error) {
			if built[i] = r.Built; err != nil {
				t.Errorf("%s: %v", specs[i].Name, err)
			}
		})
		return built
	}
	cache := filepath.Join(t.TempDir(), "images")
	if got := built(newBuilder(t, Options{})); !slices.Equal(got, []bool{true, true}) {
		t.Errorf("built %v at first", got)
	}
	// What was found is looked at once.
	if got := built(newBuilder(t, Options{Cache: cache})); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("built %v when found", got)
	}
	srv.forget()

	command, log := loggingGo(t)
	if got := built(newBuilder(t, Options{GoCommand: command, Cache: cache})); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("built %v when unchanged", got)
	}
	if got := log(); !slices.Equal(got, []string{"env", "list"}) {
		t.Errorf("the go commands are %q", got)
	}
	if got := srv.asked("/manifests/"); len(got) != 2 || !strings.HasPrefix(got[0], "HEAD ") || !strings.HasPrefix(got[1], "HEAD ") {
		t.Errorf("the registry is asked %q", got)
	}
}

// loggingGo makes a go command that is the real one, and gives the names of the
// commands it was asked for, sorted.
func loggingGo(t *testing.T) (command string, log func() []string) {
	t.Helper()
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command, file := filepath.Join(dir, "go"), filepath.Join(dir, "log")
	script := fmt.Sprintf("#!/bin/sh\necho \"$1\" >>'%s'\nexec '%s' \"$@\"\n", file, real)
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return command, func() []string {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(string(content))
		slices.Sort(lines)
		return lines
	}
}
