package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// serve starts a server and gives its host[:port].
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// A server that is no registry is told as one, whatever it says yes to: nothing is
// taken for an image, for pushed, or for missing.
func TestNoRegistry(t *testing.T) {
	t.Parallel()
	const imageType, indexType = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	image := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[]}`, someDigest)
	for name, answer := range map[string]struct{ contentType, body, says string }{
		"HTML":                   {"text/html; charset=utf-8", "<!doctype html><title>Welcome</title>", "text/html, which is not a manifest"},
		"HTML called a manifest": {imageType, "<!doctype html>", "which is not a manifest"},
		"nothing":                {"", "", "which is not a manifest"},
		"text":                   {"text/plain", "ok", "text/plain, which is not a manifest"},
		"a list":                 {"application/json", "[]", "application/json, which is not a manifest"},
		"an object":              {"application/json", `{"status":"ok"}`, "neither a manifest nor an index"},
		"an object as manifest":  {imageType, `{}`, "neither a manifest nor an index"},
		"an old manifest":        {"application/vnd.docker.distribution.manifest.v1+json", `{"schemaVersion":1}`, "neither a manifest nor an index"},
		"both":                   {imageType, `{"schemaVersion":2,"config":{},"manifests":[]}`, "neither a manifest nor an index"},
		"of another type":        {imageType, `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[]}`, "that it says is of type"},
		"an image as index":      {indexType, image, "something else than the"},
		"an index as image":      {imageType, `{"schemaVersion":2,"manifests":[]}`, "something else than the"},
		"too much":               {imageType, `{"a":"` + strings.Repeat("a", maxConfig) + `"}`, "more than 4 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", answer.contentType)
				io.WriteString(w, answer.body)
			})
			_, err := newBuilder(t, Options{}).Resolve(t.Context(), host+"/team/app:1")
			var wrong *AnswerError
			if !errors.As(err, &wrong) || wrong.Registry != host || !strings.Contains(err.Error(), answer.says) {
				t.Errorf("got %v, want %q", err, answer.says)
			}
			_, err = newBuilder(t, Options{}).Inspect(t.Context(), host+"/team/app@"+someDigest, nil)
			if !errors.As(err, &wrong) {
				t.Errorf("inspected: %v", err)
			}
			r, err := newBuilder(t, Options{}).Build(t.Context(), helloBuild(host, project(t, hello)))
			if !errors.As(err, &wrong) {
				t.Errorf("built: %+v, %v", r, err)
			}
		})
	}
}

// One that has nothing, and says of all that is pushed to it that it is there, has
// not taken it.
func TestPushedToNowhere(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]func(http.ResponseWriter){
		"not found": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"HTML":      func(w http.ResponseWriter) { io.WriteString(w, "<!doctype html>") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pushed atomic.Bool
			host := serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch manifest := strings.Contains(r.URL.Path, "/manifests/"); {
				case manifest && r.Method == http.MethodPut:
					pushed.Store(true)
				case manifest && !pushed.Load():
					w.WriteHeader(http.StatusNotFound)
				case manifest:
					reads(w)
				}
			})
			r, err := newBuilder(t, Options{}).Build(t.Context(), helloBuild(host, project(t, hello)))
			if err == nil || !pushed.Load() || !strings.Contains(err.Error(), "reading what was pushed") {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// Registries of other makes are believed that say less than they should, and what is
// right.
func TestOtherRegistries(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(http.Header){
		"no digest":             func(h http.Header) { h.Del("Docker-Content-Digest") },
		"no type":               func(h http.Header) { h.Set("Content-Type", "") },
		"JSON":                  func(h http.Header) { h.Set("Content-Type", "application/json") },
		"a type with a charset": func(h http.Header) { h.Set("Content-Type", h.Get("Content-Type")+"; charset=utf-8") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			behind := newServer(t)
			ref, err := name.ParseReference(behind.Host + "/team/app:1")
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.Write(ref, empty.Image); err != nil {
				t.Fatal(err)
			}
			host := serve(t, func(w http.ResponseWriter, r *http.Request) {
				r.RequestURI, r.URL.Scheme, r.URL.Host, r.Host = "", "http", behind.Host, behind.Host
				res, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				for k, v := range res.Header {
					w.Header()[k] = v
				}
				change(w.Header())
				w.WriteHeader(res.StatusCode)
				io.Copy(w, res.Body)
			})
			digest, err := empty.Image.Digest()
			if err != nil {
				t.Fatal(err)
			}
			got, err := newBuilder(t, Options{}).Resolve(t.Context(), host+"/team/app:1")
			if want := host + "/team/app@" + digest.String(); got != want || err != nil {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// A registry that sends its clients round in circles is left after a few times.
func TestRedirectsInCircles(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"/manifests/", "/blobs/", "/v2/"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, part) {
					return false
				}
				asked.Add(1)
				w.Header().Set("Location", r.URL.Path+"?"+fmt.Sprint(asked.Load()))
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			})
			_, err := newBuilder(t, Options{}).Build(t.Context(), helloBuild(srv.Host, project(t, hello)))
			if err == nil || !strings.Contains(err.Error(), "redirects more than") {
				t.Errorf("got %v", err)
			}
			if n := asked.Load(); n > 60 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}
