// Package registry turns a build into an image in a registry: the spec of a
// build goes in, a reference with its digest comes out. The same source gives
// the same digest on any machine, and source whose image is already in the
// registry is neither built nor pushed again.
//
// It needs no container daemon. It never touches a cluster, prints nothing,
// and never puts a credential into an error.
package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Options configure a Builder. The zero value is ready to use.
type Options struct {
	// Env is the environment of the go command, as KEY=value; nil is this
	// process's own. Whatever would change the binary (GOFLAGS, GOOS, GOARCH,
	// CGO_ENABLED and the like) is replaced.
	Env []string
	// GoCommand is the go command's path, or its name in this process's PATH;
	// default "go".
	GoCommand string
	// Jobs bounds how many go builds run at once; default one per processor.
	Jobs int
	// Created is the time that the image and its files carry, in whole
	// seconds; the zero value is the Unix epoch. It is where a caller puts
	// SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch).
	Created time.Time
	// Keychain finds credentials; nil is the usual one (DOCKER_CONFIG,
	// credential helpers, Podman's auth.json).
	Keychain authn.Keychain
	// UserAgent is put in front of the client's own in every request.
	UserAgent string
}

// Builder builds and pushes images and resolves references. One Builder
// serves many builds at once, and reuses its connections and tokens.
type Builder struct {
	opts   Options
	jobs   chan struct{}
	base   *layer
	pusher *remote.Pusher
	puller *remote.Puller
}

// New returns a Builder.
func New(opts Options) (*Builder, error) {
	if opts.GoCommand == "" {
		opts.GoCommand = "go"
	}
	if opts.Jobs <= 0 {
		opts.Jobs = runtime.GOMAXPROCS(0)
	}
	if opts.Created.IsZero() {
		opts.Created = time.Unix(0, 0)
	}
	opts.Created = opts.Created.UTC().Truncate(time.Second)
	if opts.Keychain == nil {
		opts.Keychain = authn.DefaultKeychain
	}
	base, err := baseLayer(opts.Created)
	if err != nil {
		return nil, fmt.Errorf("making the base layer: %w", err)
	}
	b := &Builder{opts: opts, jobs: make(chan struct{}, opts.Jobs), base: base}
	ro := b.remoteOptions()
	if b.pusher, err = remote.NewPusher(ro...); err != nil {
		return nil, err
	}
	if b.puller, err = remote.NewPuller(ro...); err != nil {
		return nil, err
	}
	return b, nil
}

// Build is one image to make. Exactly one way of building is set.
type Build struct {
	Name       string   // the service; names the binary in the image: /app/NAME
	Repository string   // where the image goes: host[:port]/path/name
	Go         *GoBuild // a Go main package
}

// GoBuild is a Go main package and the platforms to build it for.
type GoBuild struct {
	// Dir is the project's directory, absolute.
	Dir string
	// Package is the main package's directory relative to Dir, with slashes:
	// "./web". Its Go module may be its own, the project's, or one above.
	Package string
	// Platforms are linux/ARCH[/VARIANT]; more than one makes an image index.
	// Default: linux on the architecture of the machine that builds.
	Platforms []string
}

// Result is where an image is and what it took to get it there.
type Result struct {
	Image  string // REPOSITORY@DIGEST
	Digest string // of the manifest or index: sha256:…
	Built  bool   // false: an image of the same inputs was already in the registry
	Pushed bool   // false: the registry had the manifest already
}

// Build makes the image of spec and pushes it, unless the registry has it.
//
// The image is known in two ways: by a tag "shipit-HASH" of the hash of
// everything that goes into it, which spares the build, and by its digest,
// which spares the push. The tag also keeps registries that collect untagged
// manifests from removing a deployed image.
//
// Errors a caller can tell apart: *CompileError, *NotMainError, *NoModuleError,
// *NoPackageError, *NoGoError, *BadPlatformError, *BadReferenceError, *UnreachableError, *UnauthorizedError,
// *RefusedError.
func (b *Builder) Build(ctx context.Context, spec Build) (Result, error) {
	if spec.Go == nil {
		return Result{}, fmt.Errorf("service %s: nothing to build", spec.Name)
	}
	repo, err := parseRepository(spec.Repository)
	if err != nil {
		return Result{}, err
	}
	src, err := newGoSource(spec)
	if err != nil {
		return Result{}, err
	}
	// The registry is asked for something cheap while the sources are read, so
	// that one that is down is known before anything is compiled.
	var key string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.reach(gctx, repo) })
	g.Go(func() (err error) {
		key, err = b.inputsKey(gctx, src)
		return err
	})
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	if key != "" {
		digest, found, err := b.find(ctx, repo.Tag(tagPrefix+key))
		if err != nil {
			return Result{}, err
		}
		if found {
			return result(repo, digest, false, false), nil
		}
	}
	return b.buildAndPush(ctx, repo, src, key)
}

func (b *Builder) buildAndPush(ctx context.Context, repo repository, src *goSource, key string) (Result, error) {
	select {
	case b.jobs <- struct{}{}:
		defer func() { <-b.jobs }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	tmp, err := os.MkdirTemp("", "shipit-build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(tmp)

	binaries := make([]string, len(src.platforms))
	for i, p := range src.platforms {
		binaries[i] = filepath.Join(tmp, fmt.Sprintf("bin%d", i))
		if err := b.compile(ctx, src, p, binaries[i]); err != nil {
			return Result{}, err
		}
	}
	img, err := b.assemble(src, binaries, tmp)
	if err != nil {
		return Result{}, fmt.Errorf("making the image of %s: %w", src.name, err)
	}
	digest, pushed, err := b.push(ctx, repo, img, key)
	if err != nil {
		return Result{}, err
	}
	return result(repo, digest, true, pushed), nil
}

func result(repo repository, digest string, built, pushed bool) Result {
	return Result{Image: imageName(repo) + "@" + digest, Digest: digest, Built: built, Pushed: pushed}
}
