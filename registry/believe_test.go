package registry

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// What somebody puts under the tag of a build's inputs is not deployed for it when it
// is not made as a build makes it: it is built, and the tag is right again.
func TestForeignImageIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*testing.T, v1.Image) v1.Image{
		"other": func(t *testing.T, _ v1.Image) v1.Image { return imageFor(t, "amd64", "", "1") },
		"root": func(t *testing.T, img v1.Image) v1.Image {
			return changed(t, img, func(c *v1.ConfigFile) { c.Config.User = "0" })
		},
		"entrypoint": func(t *testing.T, img v1.Image) v1.Image {
			return changed(t, img, func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/bin/sh"} })
		},
		"environment": func(t *testing.T, img v1.Image) v1.Image {
			return changed(t, img, func(c *v1.ConfigFile) { c.Config.Env = append(c.Config.Env, "LD_PRELOAD=/app/x.so") })
		},
		"platform": func(t *testing.T, img v1.Image) v1.Image {
			return changed(t, img, func(c *v1.ConfigFile) { c.Architecture = "s390x" })
		},
		"annotation": func(_ *testing.T, img v1.Image) v1.Image {
			return mutate.Annotations(img, map[string]string{"a": "b"}).(v1.Image)
		},
		"one more layer": func(t *testing.T, img v1.Image) v1.Image {
			layers, err := img.Layers()
			if err != nil {
				t.Fatal(err)
			}
			more, err := mutate.AppendLayers(img, layers[1])
			if err != nil {
				t.Fatal(err)
			}
			return more
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, platforms := range [][]string{{"linux/amd64"}, {"linux/amd64", "linux/arm64"}} {
				srv := newServer(t)
				spec := helloBuild(srv.Host, project(t, hello))
				spec.Go.Platforms = platforms
				b := newBuilder(t, Options{})
				good := mustBuild(t, b, spec)
				img := pull(t, good.Image) // the first of an index
				retag(t, srv.Host, keys(t, b, spec)[0], forge(t, img))
				r := mustBuild(t, newBuilder(t, Options{}), spec)
				if !r.Built || r.Digest != good.Digest {
					t.Errorf("%v: got %+v", platforms, r)
				}
				if r := mustBuild(t, newBuilder(t, Options{}), spec); r.Built {
					t.Errorf("%v: the tag is still another's", platforms)
				}
			}
		})
	}
}

// An image of other source, made as a build makes it, is found out by building.
func TestVerify(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	dir := project(t, hello)
	spec := helloBuild(srv.Host, dir)
	good := mustBuild(t, newBuilder(t, Options{}), spec)
	key := keys(t, newBuilder(t, Options{}), spec)[0]
	if r := mustBuild(t, newBuilder(t, Options{Verify: true}), spec); !r.Built || r.Pushed || r.Digest != good.Digest {
		t.Errorf("the right one: %+v", r)
	}
	write(t, filepath.Join(dir, "web", "main.go"), "package main\n\nfunc main() { println(\"other\") }\n")
	other := mustBuild(t, newBuilder(t, Options{}), spec)
	retag(t, srv.Host, key, pull(t, other.Image))
	write(t, filepath.Join(dir, "web", "main.go"), "package main\n\nfunc main() { println(\"hello\") }\n")
	_, err := newBuilder(t, Options{Verify: true}).Build(t.Context(), spec)
	var different *DifferentError
	if !errors.As(err, &different) || different.Found != other.Digest || different.Built != good.Digest || !strings.HasSuffix(different.Image, "shop/web:shipit-"+key) {
		t.Errorf("got %v", err)
	}
}

func retag(t *testing.T, host, key string, img v1.Image) {
	t.Helper()
	tag, err := name.NewTag(host + "/shop/web:" + tagPrefix + key)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
}

func changed(t *testing.T, img v1.Image, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	change(config)
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}
