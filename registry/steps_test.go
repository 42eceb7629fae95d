package registry

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What takes its time is told when it begins, again while it goes on, and what was
// sent when it is over.
func TestSteps(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			<-told // until it was told again
		}
		return false
	})
	b := newBuilder(t, Options{})
	b.beat = time.Millisecond
	var steps []string
	var r Result
	b.BuildAll(t.Context(), []Build{helloBuild(srv.Host, project(t, hello))}, func(_ int, s Step) {
		if steps = append(steps, s.Doing); s.Took > 0 && strings.HasPrefix(s.Doing, "pushing") {
			select {
			case <-told:
			default:
				close(told)
			}
		}
	}, func(_ int, got Result, err error) {
		if r = got; err != nil {
			t.Error(err)
		}
	})
	steps = slices.Compact(steps)
	text := strings.Join(steps, "; ")
	if !regexp.MustCompile(`compiling ./web for linux/\w+; .*pushing at most \d\.\d MB`).MatchString(text) {
		t.Errorf("told %s", text)
	}
	if r.Bytes < 100_000 || r.Bytes > 50_000_000 {
		t.Errorf("%d bytes sent", r.Bytes)
	}
	steps = nil
	b = newBuilder(t, Options{})
	b.BuildAll(t.Context(), []Build{helloBuild(srv.Host, project(t, hello))}, func(_ int, s Step) { steps = append(steps, s.Doing) }, func(_ int, _ Result, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if slices.ContainsFunc(steps, func(s string) bool { return !strings.HasPrefix(s, "reading") }) {
		t.Errorf("told %q of what is unchanged", steps)
	}
}

// A program that needs cgo is told so, whichever of its packages does; where only
// some of a package needs it, that is said with what is missing.
func TestCgo(t *testing.T) {
	t.Parallel()
	const mod = "-- go.mod --\nmodule m\n\ngo 1.26\n"
	for name, test := range map[string]struct {
		files, says, hint string
	}{
		"main":       {"-- web/main.go --\npackage main\n\nimport \"C\"\n\nfunc main() {}\n", `./web needs cgo, and images are built without it: all Go files of m/web import "C" (main.go)`, "image: "},
		"dependency": {"-- web/main.go --\npackage main\n\nimport _ \"m/db\"\n\nfunc main() {}\n-- db/db.go --\npackage db\n\nimport (\n\t\"fmt\"\n)\n\n// int x;\nimport \"C\"\n\nvar _ = fmt.Sprint(C.x)\n", `all Go files of m/db import "C" (db.go)`, "pure Go"},
		"by tag":     {"-- web/main.go --\n//go:build cgo\n\npackage main\n\nimport \"C\"\n\nfunc main() {}\n", "needs cgo", "pure Go"},
		"partly":     {"-- web/main.go --\npackage main\n\nimport \"m/db\"\n\nfunc main() { db.Open() }\n-- db/db.go --\npackage db\n-- db/open.go --\npackage db\n\nimport \"C\"\n\nfunc Open() {}\n", "undefined: db.Open", "left out are m/db/open.go"},
		"none":       {"-- web/main.go --\npackage main\n\nfunc main() { open() }\n-- web/other_windows.go --\npackage main\n\nimport \"C\"\n", "undefined: open", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			_, err := newBuilder(t, Options{}).Build(t.Context(), helloBuild(srv.Host, project(t, mod+test.files)))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %s", err, test.says)
			}
			hinter, ok := err.(interface{ Hint() string })
			if !ok || !strings.Contains(hinter.Hint(), test.hint) || test.hint == "" && hinter.Hint() != "" {
				t.Errorf("the hint is not %q", test.hint)
			}
		})
	}
}

// What a user has set for builds and an image does not heed is told, wherever it is
// set; what makes no difference is not.
func TestUnheeded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	write(t, file, "GOFLAGS=-tags=prod\nGOAMD64=v3\n")
	for name, test := range map[string]struct {
		env  []string
		want []string
	}{
		"nothing":     {[]string{"GOENV=off", "GOFLAGS="}, nil},
		"flags":       {[]string{"GOENV=off", "GOFLAGS=-tags=prod"}, []string{"GOFLAGS=-tags=prod"}},
		"harmless":    {[]string{"GOENV=off", "GOFLAGS=-trimpath -v -p=2"}, nil},
		"file":        {[]string{"GOENV=" + file, "GOFLAGS=", "GOAMD64="}, []string{"GOFLAGS=-tags=prod", "GOAMD64=v3"}},
		"other level": {[]string{"GOENV=off", "GOFLAGS=", "GOAMD64=v3"}, []string{"GOAMD64=v3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told []string
			env := append(os.Environ(), test.env...)
			b := newBuilder(t, Options{Env: env, Warn: func(s string) { told = append(told, s) }})
			spec := helloBuild("registry.local", project(t, hello))
			spec.Go.Platforms = []string{"linux/amd64"}
			for range 2 { // and told once
				keys(t, b, spec)
			}
			if len(told) != len(test.want) {
				t.Fatalf("told %q, want %q", told, test.want)
			}
			for _, want := range test.want {
				if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("told %q, want %q", told, want)
				}
			}
		})
	}
}
