package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DifferentError is an image in the registry, under the tag of its inputs, that is
// not what those inputs make.
type DifferentError struct {
	Image string // with the tag
	Found string // the digest there
	Built string // the digest here
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("%s is %s, and the same source makes %s here: somebody else has pushed it", e.Image, e.Found, e.Built)
}

// Hint tells what to do about it.
func (e *DifferentError) Hint() string {
	return "find out who may push there; with the tag removed, the next build pushes its own"
}

// believable reports whether what the registry has under the tag of a task's inputs
// can be the image of them: of its manifest and config all is known beforehand,
// except for the layer of the binary. What is in that, only building it can tell.
func (b *Builder) believable(ctx context.Context, t *task, digest string) (bool, error) {
	data, err := b.content(ctx, t.repo.Digest(digest), b.manifest)
	if err != nil {
		return false, missing(err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return false, nil
	}
	platforms := t.src.platforms
	if len(platforms) == 1 {
		img, err := b.alike(ctx, t, platforms[0], data)
		return img != nil, err
	}
	if len(m.Manifests) != len(platforms) {
		return false, nil
	}
	images := make([]v1.Image, len(platforms))
	for i, p := range platforms {
		child, err := b.content(ctx, t.repo.Digest(m.Manifests[i].Digest.String()), b.manifest)
		if err != nil {
			return false, missing(err)
		}
		if images[i], err = b.alike(ctx, t, p, child); err != nil || images[i] == nil {
			return false, err
		}
	}
	raw, err := indexOf(images, platforms).RawManifest()
	return err == nil && bytes.Equal(raw, data), err
}

// missing is nil for what is not there, which can be built.
func missing(err error) error {
	if errors.As(err, new(*NotFoundError)) {
		return nil
	}
	return err
}

// alike gives the image that a manifest is of, when it is one that is made here, and
// else nil.
func (b *Builder) alike(ctx context.Context, t *task, p v1.Platform, data []byte) (v1.Image, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Config == nil || len(m.Layers) != 2 {
		return nil, nil
	}
	config, err := b.content(ctx, t.repo.Digest(m.Config.Digest.String()), b.blob)
	if err != nil {
		return nil, missing(err)
	}
	file, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil || len(file.RootFS.DiffIDs) != 2 {
		return nil, nil
	}
	img, err := b.imageOf(t.src, p, &layer{digest: m.Layers[1].Digest, size: m.Layers[1].Size, diffID: file.RootFS.DiffIDs[1]})
	if err != nil {
		return nil, err
	}
	wantManifest, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	wantConfig, err := img.RawConfigFile()
	if err != nil || !bytes.Equal(wantManifest, data) || !bytes.Equal(wantConfig, config) {
		return nil, err
	}
	return img, nil
}
