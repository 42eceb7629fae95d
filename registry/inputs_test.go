package registry

import (
	"path/filepath"
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
		src, err := newGoSource(spec)
		if err != nil {
			t.Fatal(err)
		}
		key, err := newBuilder(t, opts).inputsKey(t.Context(), src)
		if err != nil || key == "" {
			t.Fatalf("key %q, %v", key, err)
		}
		return key
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
