package registry

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nonroot is the user, and its group, that images run as: the number that
// distroless images use. It is a number in the image's config too, since
// runAsNonRoot cannot be checked against a name.
const nonroot = 65532

// baseLayer is what every image stands on: CA certificates, users, /tmp.
//
// The certificates are Mozilla's, from the Go project's bundle for programs
// without a system's own, in the version that go.mod fixes: a bundle found on
// the building machine would give another digest on another machine.
func baseLayer(created time.Time) (*layer, error) {
	passwd := fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/home/nonroot:/sbin/nologin\n", nonroot, nonroot)
	group := fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", nonroot)
	home := dirEntry("home/nonroot", 0o700)
	home.uid = nonroot
	var buf bytes.Buffer
	l, err := writeLayer(&buf, created, []entry{
		dirEntry("etc", 0o755),
		fileEntry("etc/group", []byte(group)),
		fileEntry("etc/nsswitch.conf", []byte("hosts: files dns\n")),
		fileEntry("etc/passwd", []byte(passwd)),
		dirEntry("etc/ssl", 0o755),
		dirEntry("etc/ssl/certs", 0o755),
		fileEntry("etc/ssl/certs/ca-certificates.crt", certificates()),
		dirEntry("home", 0o755),
		home,
		dirEntry("tmp", 0o777|fs.ModeSticky),
	})
	if err != nil {
		return nil, err
	}
	content := buf.Bytes()
	l.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return l, nil
}

// certificates gives the bundle as PEM. A root that is trusted only under a
// condition (for certificates issued before some date) is left out: a PEM file
// cannot say the condition, and would trust it for more.
func certificates() []byte {
	var buf bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			buf.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return buf.Bytes()
}

// pushable is an image or an index.
type pushable interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// assemble makes the image of one binary, or the index of several, in the
// order of the platforms. Layers are written to files in tmp.
func (b *Builder) assemble(s *goSource, binaries []string, tmp string) (pushable, error) {
	images := make([]v1.Image, len(binaries))
	for i, bin := range binaries {
		img, err := b.image(s, s.platforms[i], bin, filepath.Join(tmp, fmt.Sprintf("layer%d", i)))
		if err != nil {
			return nil, err
		}
		images[i] = img
	}
	if len(images) == 1 {
		return images[0], nil
	}
	return indexOf(images, s.platforms), nil
}

func indexOf(images []v1.Image, platforms []v1.Platform) v1.ImageIndex {
	adds := make([]mutate.IndexAddendum, len(images))
	for i, img := range images {
		adds[i] = mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platforms[i]}}
	}
	return mutate.IndexMediaType(mutate.AppendManifests(empty.Index, adds...), types.OCIImageIndex)
}

func (b *Builder) image(s *goSource, p v1.Platform, binary, layerFile string) (v1.Image, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return nil, err
	}
	app, err := writeLayerFile(layerFile, b.opts.Created, []entry{
		dirEntry("app", 0o755),
		{name: "app/" + s.name, mode: 0o755, size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(binary) }},
	})
	if err != nil {
		return nil, err
	}
	return b.imageOf(s, p, app)
}

// imageOf is the image with the layer of a binary.
func (b *Builder) imageOf(s *goSource, p v1.Platform, app *layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS:           p.OS,
		Architecture: p.Architecture,
		Variant:      p.Variant,
		Created:      v1.Time{Time: b.opts.Created},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{"/app/" + s.name},
			User:       fmt.Sprintf("%d:%d", nonroot, nonroot),
			WorkingDir: "/app",
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"HOME=/home/nonroot",
				"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
			},
		},
	})
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: b.opts.Created}
	return mutate.Append(img,
		mutate.Addendum{Layer: b.base, History: v1.History{Created: created, CreatedBy: "shipit base"}},
		mutate.Addendum{Layer: app, History: v1.History{Created: created, CreatedBy: "shipit go"}},
	)
}
