package registry

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// imageFor is an image that says something of how it runs.
func imageFor(t *testing.T, arch, variant, user string) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: arch, Variant: variant,
		Config: v1.Config{
			User: user, Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, WorkingDir: "/srv",
			Volumes: map[string]struct{}{"/data": {}, "/cache": {}}, ExposedPorts: map[string]struct{}{"80/tcp": {}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// pushIndex pushes images for amd64, arm64 and arm, and an attestation beside
// them, and gives the reference of the index with its digest.
func pushIndex(t *testing.T, host string, opts ...remote.Option) string {
	t.Helper()
	amd, arm64, arm := imageFor(t, "amd64", "", "1"), imageFor(t, "arm64", "v8", "2"), imageFor(t, "arm", "v7", "3")
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: empty.Image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}},
		mutate.IndexAddendum{Add: arm64, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}}},
	)
	ref, err := name.ParseReference(host + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index, opts...); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return host + "/team/app@" + digest.String()
}

func TestInspect(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	index := pushIndex(t, srv.Host)
	single := imageFor(t, "amd64", "", "nginx")
	ref, err := name.ParseReference(srv.Host + "/team/single:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, single); err != nil {
		t.Fatal(err)
	}
	digest, err := single.Digest()
	if err != nil {
		t.Fatal(err)
	}
	config := func(platform, user string) Config {
		return Config{
			Platform: platform, User: user, Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, Workdir: "/srv",
			Volumes: []string{"/cache", "/data"}, Ports: []string{"80/tcp"},
		}
	}
	all := []string{"linux/arm64", "linux/amd64", "linux/arm/v7"}
	for _, test := range []struct {
		name, ref string
		platforms []string
		want      Inspection
	}{
		{"single", srv.Host + "/team/single@" + digest.String(), []string{"linux/arm64"}, Inspection{[]string{"linux/amd64"}, []Config{config("linux/amd64", "nginx")}}},
		{"any", index, nil, Inspection{all, []Config{config("linux/amd64", "1")}}},
		{"two", index, []string{"linux/arm", "linux/arm64", "linux/s390x"}, Inspection{all, []Config{config("linux/arm64", "2"), config("linux/arm/v7", "3")}}},
		{"none", index, []string{"linux/s390x"}, Inspection{all, []Config{config("linux/amd64", "1")}}},
	} {
		got, err := newBuilder(t, Options{}).Inspect(t.Context(), test.ref, test.platforms)
		if err != nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", test.name, got, err, test.want)
		}
	}
	if _, err := newBuilder(t, Options{}).Inspect(t.Context(), srv.Host+"/team/app:1", nil); err == nil {
		t.Error("a tag was taken for an image")
	}
	if _, err := newBuilder(t, Options{}).Inspect(t.Context(), srv.Host+"/team/app@"+someDigest, nil); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("an image that is not there: %v", err)
	}
}

// What was read is not asked for again, and what became something else on disk is.
func TestInspectCache(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	ref := pushIndex(t, srv.Host)
	opts := Options{Cache: filepath.Join(t.TempDir(), "images")}
	inspect := func() {
		t.Helper()
		got, err := newBuilder(t, opts).Inspect(t.Context(), ref, []string{"linux/arm64"})
		if err != nil || len(got.Configs) != 1 || got.Configs[0].User != "2" {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	inspect()
	srv.forget()
	inspect()
	if asked := srv.asked(""); len(asked) > 0 {
		t.Errorf("asked again: %v", asked)
	}
	files, err := os.ReadDir(opts.Cache)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v; want an index, a manifest and a config", len(files), err)
	}
	for _, f := range files {
		write(t, filepath.Join(opts.Cache, f.Name()), "{}")
	}
	inspect()
}

// A registry is asked as it is for digests: with the user's credentials, and again
// when it is busy.
func TestInspectGuarded(t *testing.T) {
	t.Parallel()
	var busy atomic.Int32
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/team/") && busy.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	keychain := login{Username: "u", Password: "p"}
	ref := pushIndex(t, srv.Host, remote.WithAuthFromKeychain(keychain))
	got, err := newBuilder(t, Options{Keychain: keychain}).Inspect(t.Context(), ref, nil)
	if err != nil || len(got.Configs) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = newBuilder(t, Options{}).Inspect(t.Context(), ref, nil)
	if err == nil || !strings.Contains(err.Error(), "refuses access to team/app without credentials") {
		t.Errorf("without credentials: %v", err)
	}
}
