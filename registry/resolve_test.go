package registry

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const someDigest = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

func TestResolve(t *testing.T) {
	t.Parallel()
	// Not every registry answers HEAD as it should.
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var picky atomic.Bool
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
				refuse := picky.Load() && r.Method == http.MethodHead
				if refuse {
					w.WriteHeader(http.StatusMethodNotAllowed)
				}
				return refuse
			})
			ref, err := name.ParseReference(srv.Host + "/team/app:1.2")
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.Write(ref, empty.Image); err != nil {
				t.Fatal(err)
			}
			picky.Store(method == http.MethodGet)
			digest, err := empty.Image.Digest()
			if err != nil {
				t.Fatal(err)
			}
			b := newBuilder(t, Options{})
			got, err := b.Resolve(t.Context(), srv.Host+"/team/app:1.2")
			if want := srv.Host + "/team/app@" + digest.String(); err != nil || got != want {
				t.Errorf("got %s, %v\nwant %s", got, err, want)
			}
			_, err = b.Resolve(t.Context(), srv.Host+"/team/app:1.3")
			var missing *NotFoundError
			if !errors.As(err, &missing) || missing.Reference != srv.Host+"/team/app:1.3" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A digest is taken at its word: the registry is not asked.
func TestResolveDigest(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"nginx@" + someDigest, "nginx:1.29@" + someDigest, "registry.nowhere.example/a/b@" + someDigest} {
		if got, err := newBuilder(t, Options{}).Resolve(t.Context(), ref); err != nil || got != ref {
			t.Errorf("%s: got %s, %v", ref, got, err)
		}
	}
}

func TestResolveBadReference(t *testing.T) {
	t.Parallel()
	for ref, says := range map[string]string{
		"":                      "",
		"Nginx":                 "can only contain",
		"https://example.com/a": "without a scheme",
		"a@sha256:12":           "",
		"a:b:c":                 "",
	} {
		_, err := newBuilder(t, Options{}).Resolve(t.Context(), ref)
		var bad *BadReferenceError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, says) {
			t.Errorf("%q: got %v", ref, err)
		}
	}
}

func TestDockerHubNames(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx":                 "docker.io/library/nginx:latest",
		"team/app:1":            "docker.io/team/app:1",
		"docker.io/nginx:1":     "docker.io/library/nginx:1",
		"example.com/a/b":       "example.com/a/b:latest",
		"nginx@" + someDigest:   "docker.io/library/nginx@" + someDigest,
		"localhost:5000/nginx:": "",
	} {
		parsed, err := name.ParseReference(ref)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", ref, err)
			}
			continue
		}
		if got := referenceName(parsed); got != want {
			t.Errorf("%s is %s, want %s", ref, got, want)
		}
	}
}
