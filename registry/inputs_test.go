package registry

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const several = `
-- go.mod --
module example.com/shop

go 1.26

require example.com/near v0.0.0

replace example.com/near => ./near
-- near/go.mod --
module example.com/near

go 1.26
-- near/near.go --
package near

func Name() string { return "near" }
-- web/main.go --
package main

import (
	_ "embed"

	"example.com/near"
	"example.com/shop/lib"
)

//go:embed page.html
var page string

func main() { println(page, near.Name(), lib.Name()) }
-- web/main_windows.go --
package main
-- web/main_test.go --
package main
-- web/page.html --
<p>
-- web/README.md --
How to.
-- lib/lib.go --
package lib

func Name() string { return "lib" }
-- other/main.go --
package main

func main() {}
`

// The key changes with everything that the image is made of, and with nothing
// else.
func TestInputsKey(t *testing.T) {
	t.Parallel()
	key := func(t *testing.T, opts Options, dir string, change func(*Build)) string {
		spec := Build{Name: "web", Repository: "registry.local/web", Go: &GoBuild{Dir: dir, Package: "./web", Platforms: []string{"linux/amd64"}}}
		if change != nil {
			change(&spec)
		}
		return keys(t, newBuilder(t, opts), spec)[0]
	}
	before := key(t, Options{}, project(t, several), nil)
	for _, test := range []struct {
		name    string
		file    string // changed to content
		content string
		opts    Options
		change  func(*Build)
		same    bool
	}{
		{name: "another folder", same: true},
		{name: "a test", file: "web/main_test.go", content: "package main\n\n// Changed.\n", same: true},
		{name: "another platform's file", file: "web/main_windows.go", content: "package main\n\n// Changed.\n", same: true},
		{name: "a text", file: "web/README.md", content: "Why.\n", same: true},
		{name: "another program", file: "other/main.go", content: "package main\n\nfunc main() { println() }\n", same: true},
		{name: "where it goes", change: func(b *Build) { b.Repository = "other.local/web" }, same: true},
		{name: "the program", file: "web/main.go", content: "package main\n\nfunc main() {}\n"},
		{name: "a new file", file: "web/more.go", content: "package main\n"},
		{name: "a package of the module", file: "lib/lib.go", content: "package lib\n\nfunc Name() string { return \"l\" }\n"},
		{name: "a module beside it", file: "near/near.go", content: "package near\n\nfunc Name() string { return \"n\" }\n"},
		{name: "an embedded file", file: "web/page.html", content: "<b>\n"},
		{name: "the language's version", file: "near/go.mod", content: "module example.com/near\n\ngo 1.25\n"},
		{name: "a profile", file: "web/default.pgo", content: "not a profile, but hashed\n"},
		{name: "the name", change: func(b *Build) { b.Name = "site" }},
		{name: "the platforms", change: func(b *Build) { b.Go.Platforms = []string{"linux/arm64"} }},
		{name: "the time", opts: Options{Created: time.Unix(1, 0)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, several)
			if test.file != "" {
				write(t, filepath.Join(dir, test.file), test.content)
			}
			if after := key(t, test.opts, dir, test.change); (after == before) != test.same {
				t.Errorf("the key is the same: %v, want %v", after == before, test.same)
			}
		})
	}
}

// keys gives the keys of builds that are looked at together.
func keys(t *testing.T, b *Builder, specs ...Build) []string {
	t.Helper()
	tasks := make([]*task, len(specs))
	for i, spec := range specs {
		tasks[i] = newTask(spec)
		tasks[i].begin = func(bool, func() string) {}
	}
	b.readSources(t.Context(), tasks)
	keys := make([]string, len(tasks))
	for i, task := range tasks {
		if keys[i] = task.key; task.err != nil || task.key == "" {
			t.Fatalf("the key of %s is %q, %v", specs[i].Go.Package, task.key, task.err)
		}
	}
	return keys
}

// shop has a program that shares a package with another, one that has a profile,
// one on its own, one in a module of its own and one in a workspace of its own.
const shop = `
-- go.mod --
module example.com/shop

go 1.26
-- lib/lib.go --
package lib

import "example.com/shop/lib/deep"

func Name() string { return deep.Name() }
-- lib/deep/deep.go --
package deep

func Name() string { return "deep" }
-- web/main.go --
package main

import "example.com/shop/lib"

func main() { println(lib.Name()) }
-- basket/main.go --
package main

import "example.com/shop/lib"

func main() { println("basket", lib.Name()) }
-- basket/default.pgo --
not a profile, but hashed
-- main.go --
package main

func main() {}
-- tools/seed/go.mod --
module example.com/seed

go 1.26
-- tools/seed/main.go --
package main

func main() {}
-- worker/go.work --
go 1.26

use ..
-- worker/main.go --
package main

func main() {}
`

func shopBuilds(host, dir string) []Build {
	var specs []Build
	for _, pkg := range []string{"web", "basket", ".", "tools/seed", "worker"} {
		name := strings.ReplaceAll(strings.ReplaceAll(pkg, "/", "-"), ".", "root")
		specs = append(specs, Build{Name: name, Repository: host + "/shop/" + name, Go: &GoBuild{Dir: dir, Package: "./" + pkg}})
	}
	return specs
}

// A build has the key that it has alone, and a change is seen by those that
// are made of it.
func TestInputsKeysTogether(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, Options{})
	dir := project(t, shop)
	specs := shopBuilds("registry.local", dir)
	before := keys(t, b, specs...)
	for i, spec := range specs {
		if alone := keys(t, b, spec)[0]; alone != before[i] {
			t.Errorf("%s has another key alone", spec.Go.Package)
		}
	}
	for _, test := range []struct {
		file, content string
		changes       []string // packages
	}{
		{"web/main.go", "package main\n\nimport _ \"example.com/shop/lib\"\n\nfunc main() {}\n", []string{"./web"}},
		{"lib/deep/deep.go", "package deep\n\nfunc Name() string { return \"d\" }\n", []string{"./web", "./basket"}},
		{"basket/default.pgo", "another\n", []string{"./basket"}},
		{"main.go", "package main\n\nfunc main() { println() }\n", []string{"./."}},
		{"tools/seed/go.mod", "module example.com/seed\n\ngo 1.25\n", []string{"./tools/seed"}},
		{"worker/go.work", "go 1.26\n\nuse ..\n\n// Changed.\n", []string{"./worker"}},
		{"go.mod", "module example.com/shop\n\ngo 1.25\n", []string{"./web", "./basket", "./.", "./worker"}},
	} {
		write(t, filepath.Join(dir, test.file), test.content)
		after := keys(t, b, specs...)
		var changes []string
		for i, spec := range specs {
			if after[i] != before[i] {
				changes = append(changes, spec.Go.Package)
			}
		}
		if !slices.Equal(changes, test.changes) {
			t.Errorf("%s changes the keys of %q, want %q", test.file, changes, test.changes)
		}
		before = after
	}
}

// Digests that were given out may not change by accident. When this fails on
// purpose (another bundle of certificates does that), raise formatVersion only
// if the inputs' key does not see the change.
func TestBaseLayerIsStable(t *testing.T) {
	t.Parallel()
	l, err := baseLayer(time.Unix(0, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:94d25922a28b6bfc65905ccf52b41317f14dce2dff789e507fa3a13b7e05017a"
	if got := l.digest.String(); got != want {
		t.Errorf("the base layer is %s of %d bytes, and was %s", got, l.size, want)
	}
}
