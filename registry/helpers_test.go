package registry

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/tools/txtar"
)

// server is a real registry in this process that remembers its requests.
type server struct {
	Host string

	mu       sync.Mutex
	requests []string
}

// newServer starts a registry. A front is asked first, and lets a request
// through to the registry by returning false.
func newServer(t *testing.T, fronts ...func(w http.ResponseWriter, r *http.Request) bool) *server {
	t.Helper()
	s := &server{}
	back := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		for _, front := range fronts {
			if front(w, r) {
				return
			}
		}
		back.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.Host = strings.TrimPrefix(srv.URL, "http://")
	return s
}

// writes counts the requests that changed something.
func (s *server) writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "HEAD ") {
			n++
		}
	}
	return n
}

// forget makes the requests so far as if they had not been.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// asked gives the requests whose address has part in it.
func (s *server) asked(part string) (requests []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.Contains(r, part) {
			requests = append(requests, r)
		}
	}
	return requests
}

// login is a keychain with one set of credentials for every registry.
type login authn.AuthConfig

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig(l)), nil
}

func newBuilder(t *testing.T, opts Options) *Builder {
	t.Helper()
	if opts.Keychain == nil {
		opts.Keychain = authn.NewMultiKeychain() // anonymous, whatever the machine has
	}
	b, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// project writes a txtar archive to a new folder.
func project(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// hello is the smallest of programs, for it compiles in no time.
const hello = `
-- web/go.mod --
module example.com/web

go 1.26
-- web/main.go --
package main

func main() { println("hello") }
`

func helloBuild(host, dir string) Build {
	return Build{Name: "web", Repository: host + "/shop/web", Go: &GoBuild{Dir: dir, Package: "./web"}}
}

func mustBuild(t *testing.T, b *Builder, spec Build) Result {
	t.Helper()
	r, err := b.Build(t.Context(), spec)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return r
}
