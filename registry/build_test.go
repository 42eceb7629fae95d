package registry

import (
	"archive/tar"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestBuildMakesARunnableImage(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	r := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, project(t, hello)))
	if want := srv.Host + "/shop/web@" + r.Digest; r.Image != want || !r.Built || !r.Pushed {
		t.Errorf("got %+v, want the image %s, built and pushed", r, want)
	}
	img := pull(t, r.Image)
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != runtime.GOARCH || !config.Created.Equal(time.Unix(0, 0)) {
		t.Errorf("made for %s/%s at %s", config.OS, config.Architecture, config.Created)
	}
	if c := config.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/app/web"}) {
		t.Errorf("runs %q as %q", c.Entrypoint, c.User)
	}
	files := extract(t, img)
	for path, want := range map[string]string{
		"app/web":          "-rwxr-xr-x 0",
		"etc/passwd":       "-rw-r--r-- 0",
		"home/nonroot/":    "drwx------ 65532",
		"tmp/":             "dtrwxrwxrwx 0",
		certificatesAtPath: "-rw-r--r-- 0",
	} {
		f, ok := files[path]
		if !ok {
			t.Errorf("%s is missing", path)
		} else if got := fmt.Sprintf("%s %d", f.FileInfo().Mode(), f.Uid); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	for path, f := range files {
		if !f.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s has the time %s", path, f.ModTime)
		}
	}
	if !x509.NewCertPool().AppendCertsFromPEM(files[certificatesAtPath].content) {
		t.Error("the certificates do not parse")
	}
	if runtime.GOOS == "linux" {
		program := filepath.Join(t.TempDir(), "web")
		if err := os.WriteFile(program, files["app/web"].content, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program).CombinedOutput(); err != nil || string(out) != "hello\n" {
			t.Errorf("the program says %q, %v", out, err)
		}
	}
}

const certificatesAtPath = "etc/ssl/certs/ca-certificates.crt"

func TestBuildSameSourceSameDigest(t *testing.T) {
	t.Parallel()
	here, there := project(t, hello), project(t, hello)
	late := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := filepath.WalkDir(there, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, late, late))
	}); err != nil {
		t.Fatal(err)
	}
	first := newServer(t)
	r1 := mustBuild(t, newBuilder(t, Options{}), helloBuild(first.Host, here))
	second := newServer(t)
	settings := append(os.Environ(), "GOFLAGS=-tags=other", "GOAMD64=v3", "GOARM64=v9.0", "CGO_ENABLED=1", "GOOS=windows", "TZ=Asia/Tokyo", "LANG=ja_JP.UTF-8")
	r2 := mustBuild(t, newBuilder(t, Options{Env: settings}), helloBuild(second.Host, there))
	if !r2.Built {
		t.Error("the other registry had the image already")
	}
	if r1.Digest != r2.Digest {
		t.Errorf("%s here, %s there", r1.Digest, r2.Digest)
	}
}

// A source of a Build decides the time; it is not read from the environment.
func TestBuildCreated(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := mustBuild(t, newBuilder(t, Options{Created: at}), helloBuild(srv.Host, project(t, hello)))
	img := pull(t, r.Image)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := extract(t, img)["app/web"].ModTime; !config.Created.Equal(at) || !got.Equal(at) {
		t.Errorf("made at %s with files of %s, want %s", config.Created, got, at)
	}
}

func TestBuildTwice(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	dir := project(t, hello)
	r1 := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, dir))
	writes := srv.writes()

	// Unchanged, seen by another Builder: nothing is compiled or sent.
	start := time.Now()
	r2 := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, dir))
	t.Logf("an unchanged build took %s", time.Since(start).Round(time.Millisecond))
	if r2 != (Result{Image: r1.Image, Digest: r1.Digest}) || srv.writes() != writes {
		t.Errorf("unchanged: got %+v and %d writes", r2, srv.writes()-writes)
	}

	// Changed to no effect: it is compiled, and only the tag is sent.
	main := filepath.Join(dir, "web", "main.go")
	write(t, main, "package main\n\nfunc main() { println(\"hello\") }\n\n// A last word.\n")
	r3 := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, dir))
	if r3 != (Result{Image: r1.Image, Digest: r1.Digest, Built: true, Bytes: r3.Bytes}) || r3.Bytes > 10_000 || srv.writes() != writes+1 {
		t.Errorf("changed to no effect: got %+v and %d writes", r3, srv.writes()-writes)
	}

	// Changed: a new digest, with the base layer left where it is.
	write(t, main, "package main\n\nfunc main() { println(\"good bye\") }\n")
	r4 := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, dir))
	if !r4.Built || !r4.Pushed || r4.Digest == r1.Digest {
		t.Errorf("changed: got %+v", r4)
	}
}

func TestBuildPlatforms(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	spec := helloBuild(srv.Host, project(t, hello))
	spec.Go.Platforms = []string{"linux/amd64", "linux/arm64"}
	r := mustBuild(t, newBuilder(t, Options{}), spec)
	ref, err := name.ParseReference(r.Image)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if !slices.Equal(platforms, spec.Go.Platforms) {
		t.Errorf("the index has %q", platforms)
	}
}

// One Builder makes many images at once.
func TestBuildMany(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	b := newBuilder(t, Options{Jobs: 2})
	dir := project(t, hello)
	digests := make(chan string)
	for i := range 6 {
		go func() {
			spec := helloBuild(srv.Host, dir)
			spec.Repository = fmt.Sprintf("%s/shop/web%d", srv.Host, i%3)
			r, err := b.Build(t.Context(), spec)
			if err != nil {
				t.Error(err)
			}
			digests <- r.Digest
		}()
	}
	first := <-digests
	for range 5 {
		if d := <-digests; d != first {
			t.Errorf("%s and %s of the same source", first, d)
		}
	}
}

func pull(t *testing.T, image string) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

type file struct {
	*tar.Header
	content []byte
}

// extract gives the files of an image; the names of directories end in a slash.
func extract(t *testing.T, img v1.Image) map[string]file {
	t.Helper()
	r := mutate.Extract(img)
	defer r.Close()
	files := map[string]file{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		key := h.Name
		if h.Typeflag == tar.TypeDir {
			key = strings.TrimSuffix(key, "/") + "/"
		}
		files[key] = file{h, content}
	}
}
