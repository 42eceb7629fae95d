// Package registry turns a build into an image in a registry: the spec of a
// build goes in, a reference with its digest comes out. The same source gives
// the same digest on any machine, and source whose image is already in the
// registry is neither built nor pushed again.
//
// It needs no container daemon. It never touches a cluster, prints nothing,
// and never puts a credential into an error.
package registry

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
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
	// Keychain finds credentials; nil is the usual one (DOCKER_AUTH_CONFIG,
	// DOCKER_CONFIG, credential helpers, Podman's auth.json), of Env.
	Keychain authn.Keychain
	// Logins is a Docker config.json whose credentials are looked in first, or nil.
	Logins []byte
	// Cache is a folder that keeps what images say of how they run, by digest;
	// "" keeps nothing.
	Cache string
	// Verify builds what is in the registry already, too, and compares.
	Verify bool
	// Warn is told of settings of the user that builds do not heed; nil tells nobody.
	Warn func(string)
	// UserAgent is put in front of the client's own in every request.
	UserAgent string
}

// Builder builds and pushes images and resolves references. One Builder
// serves many builds at once, and reuses its connections and tokens.
type Builder struct {
	opts      Options
	jobs      chan struct{}
	base      *layer
	transport *polite
	beat      time.Duration
	warned    atomic.Bool
	pusher    *remote.Pusher
	puller    *remote.Puller
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
		opts.Keychain = newKeychain(opts.Env, opts.Logins)
	}
	base, err := baseLayer(opts.Created)
	if err != nil {
		return nil, fmt.Errorf("making the base layer: %w", err)
	}
	b := &Builder{opts: opts, jobs: make(chan struct{}, opts.Jobs), base: base, transport: newTransport(), beat: heartbeat}
	ro := b.remoteOptions()
	if b.pusher, err = remote.NewPusher(ro...); err != nil {
		return nil, err
	}
	if b.puller, err = remote.NewPuller(ro...); err != nil {
		return nil, err
	}
	return b, nil
}
