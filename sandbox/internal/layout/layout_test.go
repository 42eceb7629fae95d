package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sandbox string
		roots         Roots
		home, run     string
	}{
		{"default", "default", Roots{Home: "/home/u", UID: 7}, "/home/u/.local/state/shipit/sandbox/default", "/tmp/shipit-sandbox-7/"},
		{"XDG", "a", Roots{Home: "/home/u", StateHome: "/state", RuntimeDir: "/run/user/7", UID: 7}, "/state/shipit/sandbox/a", "/run/user/7/shipit-sandbox/"},
		{"own", "a", Roots{SandboxHome: "/own", Home: "/home/u"}, "/own/a", "/run/shipit-sandbox/"},
	} {
		l, err := Resolve(test.sandbox, test.roots)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if l.Home != test.home || l.Run != test.run+l.ID {
			t.Errorf("%s: home %s, run %s", test.name, l.Home, l.Run)
		}
	}
}

func TestResolveRefusesNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "..", "a/b", "A", "-a", strings.Repeat("a", 41)} {
		if _, err := Resolve(name, Roots{Home: "/h"}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestSocketsAreShort(t *testing.T) {
	t.Parallel()
	l, err := Resolve("a", Roots{Home: "/" + strings.Repeat("long/", 40)})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.Socket("containerd") + ".ttrpc"); n > 107 {
		t.Errorf("a socket's path has %d bytes", n)
	}
}

func TestOneFolderHasOneID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	direct, err := Resolve("a", Roots{SandboxHome: filepath.Join(dir, "new")})
	if err != nil {
		t.Fatal(err)
	}
	linked, err := Resolve("a", Roots{SandboxHome: filepath.Join(link, "new")})
	if err != nil {
		t.Fatal(err)
	}
	if direct != linked {
		t.Errorf("%+v, %+v", direct, linked)
	}
}
