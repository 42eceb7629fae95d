package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxConfig is more than any manifest or config should have
// (https://github.com/opencontainers/distribution-spec: registries need not take
// manifests above 4 MiB).
const maxConfig = 4 << 20

// maxPlatforms is how many of an image's platforms are looked at.
const maxPlatforms = 16

// Config is what an image says of how it runs
// (https://github.com/opencontainers/image-spec/blob/main/config.md).
type Config struct {
	Platform   string   // "linux/amd64", "linux/arm/v7"
	User       string   // "", "0", "1000:1000", "nginx": as the image has it
	Entrypoint []string // of the image; either may be empty
	Cmd        []string
	Workdir    string
	Volumes    []string // paths that it declares as volumes, sorted
	Ports      []string // that it exposes, as "80/tcp", sorted
}

// Inspection is what is known of an image before it runs.
type Inspection struct {
	Platforms []string // that it is there for, on Linux
	Configs   []Config // one for each platform asked for that it has
}

// Inspect reads the configs of an image that a reference with a digest names, for
// each of the platforms ("linux/arm64", or "linux/arm" for every variant of it);
// without any, or when it has none of them, for one that it has. What was read once is kept in Options.Cache.
//
// Errors: *BadReferenceError, *NotFoundError, *UnreachableError,
// *UnauthorizedError; others are of manifests that are none.
func (b *Builder) Inspect(ctx context.Context, reference string, platforms []string) (*Inspection, error) {
	ref, err := parseReference(reference)
	if err != nil {
		return nil, badReference(reference, err)
	}
	digest, ok := ref.(name.Digest)
	if !ok {
		return nil, &BadReferenceError{Reference: reference, Reason: "it has no digest"}
	}
	manifest, err := b.content(ctx, digest, b.manifest)
	if err != nil {
		return nil, err
	}
	var kind struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(manifest, &kind); err != nil {
		return nil, fmt.Errorf("the manifest of %s: %w", referenceName(digest), err)
	}
	if !kind.MediaType.IsIndex() && kind.Manifests == nil {
		config, err := b.config(ctx, digest, manifest)
		if err != nil {
			return nil, err
		}
		return &Inspection{Platforms: []string{config.Platform}, Configs: []Config{config}}, nil
	}
	return b.inspectIndex(ctx, digest, kind.Manifests, platforms)
}

func (b *Builder) inspectIndex(ctx context.Context, index name.Digest, manifests []v1.Descriptor, platforms []string) (*Inspection, error) {
	found := &Inspection{}
	byPlatform := map[string]v1.Descriptor{}
	for _, m := range manifests {
		// Attestations are in an index, too, for a platform that is unknown.
		if m.Platform == nil || m.Platform.OS != "linux" || m.MediaType.IsIndex() {
			continue
		}
		p := platformName(*m.Platform)
		if _, known := byPlatform[p]; !known {
			byPlatform[p] = m
			found.Platforms = append(found.Platforms, p)
		}
	}
	var wanted []string
	for _, p := range found.Platforms {
		if slices.ContainsFunc(platforms, func(of string) bool { return RunsOn(p, of) }) {
			wanted = append(wanted, p)
		}
	}
	if len(wanted) == 0 && len(found.Platforms) > 0 {
		wanted = found.Platforms[:1]
		if slices.Contains(found.Platforms, "linux/amd64") {
			wanted = []string{"linux/amd64"}
		}
	}
	// No image has more that differ in how they run; each is a question.
	for _, p := range wanted[:min(len(wanted), maxPlatforms)] {
		digest := index.Context().Digest(byPlatform[p].Digest.String())
		manifest, err := b.content(ctx, digest, b.manifest)
		if err != nil {
			return nil, err
		}
		config, err := b.config(ctx, digest, manifest)
		if err != nil {
			return nil, err
		}
		config.Platform = p // some images' own is wrong
		found.Configs = append(found.Configs, config)
	}
	return found, nil
}

// config reads the config that a manifest names.
func (b *Builder) config(ctx context.Context, of name.Digest, manifest []byte) (Config, error) {
	m, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		return Config{}, fmt.Errorf("the manifest of %s: %w", referenceName(of), err)
	}
	if !m.Config.MediaType.IsConfig() {
		return Config{}, fmt.Errorf("%s is no image to run: its config is of type %s", referenceName(of), m.Config.MediaType)
	}
	data, err := b.content(ctx, of.Context().Digest(m.Config.Digest.String()), b.blob)
	if err != nil {
		return Config{}, err
	}
	file, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return Config{}, fmt.Errorf("the config of %s: %w", referenceName(of), err)
	}
	return Config{
		Platform:   platformName(v1.Platform{OS: file.OS, Architecture: file.Architecture, Variant: file.Variant}),
		User:       file.Config.User,
		Entrypoint: file.Config.Entrypoint,
		Cmd:        file.Config.Cmd,
		Workdir:    file.Config.WorkingDir,
		Volumes:    slices.Sorted(maps.Keys(file.Config.Volumes)),
		Ports:      slices.Sorted(maps.Keys(file.Config.ExposedPorts)),
	}, nil
}

// RunsOn reports whether an image for a platform runs on a node, which does not say
// its variant: "linux/arm/v7" on "linux/arm".
func RunsOn(image, node string) bool {
	return image == node || strings.HasPrefix(image, node+"/")
}

// platformName drops the variant of arm64, which is the only one there is.
func platformName(p v1.Platform) string {
	if p.Architecture == "arm64" {
		p.Variant = ""
	}
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

// content gives what a digest names: what was kept, when it still is what the
// digest says, or what is fetched.
func (b *Builder) content(ctx context.Context, digest name.Digest, fetch func(context.Context, name.Digest) ([]byte, error)) ([]byte, error) {
	hash, err := v1.NewHash(digest.DigestStr())
	if err != nil {
		return nil, badReference(digest.String(), err)
	}
	file := ""
	if b.opts.Cache != "" {
		file = filepath.Join(b.opts.Cache, hash.Algorithm+"-"+hash.Hex)
		if data, err := os.ReadFile(file); err == nil && digestOf(data) == hash.String() {
			return data, nil
		}
	}
	data, err := b.fetch(ctx, digest, fetch)
	if err == nil && file != "" {
		keep(file, data)
	}
	return data, err
}

// fetch gives what a digest names, from its registry.
func (b *Builder) fetch(ctx context.Context, digest name.Digest, fetch func(context.Context, name.Digest) ([]byte, error)) ([]byte, error) {
	if operationFrom(ctx) == nil {
		ctx = withOperation(ctx, &operation{})
	}
	data, err := fetch(ctx, digest)
	var answer *AnswerError
	switch {
	case errors.As(err, &answer):
		return nil, answer
	case err != nil:
		return nil, b.typed(ctx, digest, err)
	case digestOf(data) != digest.DigestStr():
		return nil, &AnswerError{Registry: registryName(digest.Context()), Reason: "it gives something else for " + referenceName(digest)}
	}
	return data, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// keep writes a file whole. That it cannot costs time alone.
func keep(file string, data []byte) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

func (b *Builder) manifest(ctx context.Context, digest name.Digest) ([]byte, error) {
	desc, err := b.puller.Get(ctx, digest)
	if err != nil {
		return nil, err
	}
	if _, err := readManifest(digest, desc); err != nil {
		return nil, err
	}
	return desc.Manifest, nil
}

func (b *Builder) blob(ctx context.Context, digest name.Digest) ([]byte, error) {
	layer, err := b.puller.Layer(ctx, digest)
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed() // as it is: a config is not compressed
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxConfig))
}
