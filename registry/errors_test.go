package registry

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestBuildBadSource(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	for _, test := range []struct {
		name, archive, pkg string
		want               func(error) (said string, ok bool)
		says               string
	}{
		{
			"does not compile", "-- web/go.mod --\nmodule m\n-- web/main.go --\npackage main\n\nfunc main() {\n\tgreet()\n\tvar x int = \"\"\n}\n", "./web",
			is(func(e *CompileError) string { return strings.Join(e.Lines(), "|") }),
			"web/main.go:4:2: undefined: greet|web/main.go:5:6: declared and not used: x|web/main.go:5:14: cannot use \"\" (untyped string constant) as int value in variable declaration",
		}, {
			"error in a library beside", "-- go.mod --\nmodule m\n-- web/main.go --\npackage main\n\nimport \"m/lib\"\n\nfunc main() { lib.F() }\n-- lib/f.go --\npackage lib\n\nfunc F() { g() }\n", "./web",
			is(func(e *CompileError) string { return strings.Join(e.Lines(), "|") }),
			"lib/f.go:3:12: undefined: g",
		}, {
			"syntax error", "-- go.mod --\nmodule m\n-- main.go --\npackage main\n\nfunc main() {\n", ".",
			is(func(e *CompileError) string { return strings.Join(e.Lines(), "|") }),
			"main.go:4:1: syntax error: unexpected EOF, expect",
		}, {
			"import of nothing", "-- go.mod --\nmodule m\n-- web/main.go --\npackage main\n\nimport _ \"nothing/here\"\n\nfunc main() {}\n", "./web",
			is(func(e *CompileError) string { return e.Lines()[0] }),
			"web/main.go:3:8: package nothing/here is not in std",
		}, {
			"no func main", "-- go.mod --\nmodule m\n-- main.go --\npackage main\n", ".",
			is(func(e *CompileError) string { return strings.Join(e.Lines(), "|") }),
			"function main is undeclared in the main package",
		}, {
			"broken go.mod", "-- go.mod --\nmodul m\n-- main.go --\npackage main\n", ".",
			is(func(e *CompileError) string { return e.Output }),
			"go.mod:1: unknown directive: modul",
		}, {
			"library", "-- go.mod --\nmodule m\n-- lib/f.go --\npackage lib\n", "./lib",
			is(func(e *NotMainError) string { return e.Error() }),
			"./lib is package lib, not package main",
		}, {
			"no module", "-- web/main.go --\npackage main\n", "./web",
			is(func(e *NoModuleError) string { return e.Error() + "; " + e.Hint() }),
			"run `go mod init NAME` in ",
		}, {
			"no directory", "-- go.mod --\nmodule m\n", "./wbe",
			is(func(e *NoPackageError) string { return e.Error() }),
			"no Go package at ./wbe: no such directory",
		}, {
			"a file", "-- go.mod --\nmodule m\n-- main.go --\npackage main\n", "./main.go",
			is(func(e *NoPackageError) string { return e.Error() }),
			"it is a file, not a directory",
		}, {
			"no Go files", "-- go.mod --\nmodule m\n-- web/index.html --\nhi\n", "./web",
			is(func(e *NoPackageError) string { return e.Error() }),
			"no Go package at ./web: no Go files",
		}, {
			"no Go files for Linux", "-- go.mod --\nmodule m\n-- web/main_windows.go --\npackage main\n", "./web",
			is(func(e *NoPackageError) string { return e.Error() }),
			"no Go files for linux/",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec := helloBuild(srv.Host, project(t, test.archive))
			spec.Go.Package = test.pkg
			_, err := newBuilder(t, Options{}).Build(t.Context(), spec)
			if said, ok := test.want(err); !ok {
				t.Errorf("got %T: %v", err, err)
			} else if !strings.Contains(said, test.says) {
				t.Errorf("got:  %s\nwant: %s", said, test.says)
			}
		})
	}
	if n := srv.writes(); n != 0 {
		t.Errorf("%d writes to the registry", n)
	}
}

// is gives what say tells of an error of type E, if it is one.
func is[E error](say func(E) string) func(error) (string, bool) {
	return func(err error) (string, bool) {
		var e E
		if !errors.As(err, &e) {
			return "", false
		}
		return say(e), true
	}
}

func TestBuildBadPlatform(t *testing.T) {
	t.Parallel()
	for _, platform := range []string{"", "linux", "windows/amd64", "linux/arm/v7/x", "linux/arm/seven"} {
		spec := helloBuild("registry.local", project(t, hello))
		spec.Go.Platforms = []string{platform}
		_, err := newBuilder(t, Options{}).Build(t.Context(), spec)
		var bad *BadPlatformError
		if !errors.As(err, &bad) || bad.Platform != platform {
			t.Errorf("%q: got %v", platform, err)
		}
	}
}

func TestBuildWithoutGo(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	for _, command := range []string{"a-go-that-is-not-there", "/nowhere/bin/go"} {
		_, err := newBuilder(t, Options{GoCommand: command}).Build(t.Context(), helloBuild(srv.Host, project(t, hello)))
		var missing *NoGoError
		if !errors.As(err, &missing) {
			t.Errorf("%s: got %v", command, err)
		}
	}
}

// A registry that is down is told at once, before anything is compiled.
func TestBuildRegistryDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	start := time.Now()
	_, err = newBuilder(t, Options{}).Build(t.Context(), helloBuild(host, project(t, hello)))
	var down *UnreachableError
	if !errors.As(err, &down) || down.Registry != host || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}

func TestBuildRegistryTrouble(t *testing.T) {
	t.Parallel()
	always := func(*http.Request) bool { return true }
	uploads := func(r *http.Request) bool { return r.Method == http.MethodPost }
	for _, test := range []struct {
		name   string
		status int
		body   string
		when   func(*http.Request) bool
		want   func(error) (string, bool)
		says   string
	}{
		{"broken", 503, "", always, is(func(e *UnreachableError) string { return e.Error() }), "service unavailable"},
		{"no login", 401, "", always, is(func(e *UnauthorizedError) string { return e.Error() }), "without credentials"},
		{"read only", 403, `{"errors":[{"code":"DENIED","message":"you may not push"}]}`, uploads, is(func(e *UnauthorizedError) string { return e.Repository + ": " + e.Reason }), "shop/web: DENIED: you may not push"},
		{"no such project", 404, `{"errors":[{"code":"NAME_UNKNOWN","message":"no project shop"}]}`, uploads, is(func(e *RefusedError) string { return e.Error() }), "NAME_UNKNOWN: no project shop"},
		{"full", 413, "", uploads, is(func(e *RefusedError) string { return e.Error() }), "request entity too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !test.when(r) {
					return false
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
				return true
			})
			_, err := newBuilder(t, Options{}).Build(t.Context(), helloBuild(srv.Host, project(t, hello)))
			if said, ok := test.want(err); !ok {
				t.Errorf("got %T: %v", err, err)
			} else if !strings.Contains(said, test.says) {
				t.Errorf("got:  %s\nwant: %s", said, test.says)
			}
		})
	}
}

// Trouble that passes is not noticed.
func TestBuildRetries(t *testing.T) {
	t.Parallel()
	var failures atomic.Int32
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || failures.Add(1) > 2 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, project(t, hello)))
}

// A password is used, and never repeated: not when it is wrong, not when it
// was written where it does not belong.
func TestCredentials(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	right := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+secret))
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == right {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
		return true
	})
	dir := project(t, hello)
	mustBuild(t, newBuilder(t, Options{Keychain: login{Username: "ann", Password: secret}}), helloBuild(srv.Host, dir))

	_, err := newBuilder(t, Options{Keychain: login{Username: "bob", Password: secret}}).Build(t.Context(), helloBuild(srv.Host, dir))
	var denied *UnauthorizedError
	if !errors.As(err, &denied) || denied.Registry != srv.Host || denied.Anonymous {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "Basic") {
		t.Errorf("the credentials are in %q", err)
	}

	_, err = newBuilder(t, Options{}).Build(t.Context(), helloBuild("ann:"+secret+"@"+srv.Host, dir))
	var bad *BadReferenceError
	if !errors.As(err, &bad) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

// Cancelling a build ends the go command and what it has started.
func TestBuildCancel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// A go command whose child holds the pipe open for as long as it lives.
	command := filepath.Join(dir, "go")
	script := fmt.Sprintf("#!/bin/sh\nexec 3>%s\necho started >&3\nsleep 1000 &\nwait\n", fifo)
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t, Options{GoCommand: command, Jobs: 1})
	src, err := newGoSource(helloBuild("registry.local", project(t, hello)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.compile(ctx, src, src.platforms[0], filepath.Join(dir, "out")) }()

	alive, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	r := bufio.NewReader(alive)
	if line, err := r.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the child lives on: %v", err)
	}
}
