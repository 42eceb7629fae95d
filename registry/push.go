package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// find gives the digest of ref in its registry, or false when it has none.
func (b *Builder) find(ctx context.Context, ref name.Reference) (digest string, found bool, err error) {
	if operationFrom(ctx) == nil {
		ctx = withOperation(ctx, &operation{})
	}
	desc, err := b.puller.Head(ctx, ref)
	if err == nil && isManifest(desc.MediaType) {
		return desc.Digest.String(), true, nil
	}
	if err == nil || incomplete(err) {
		var got *remote.Descriptor
		if got, err = b.puller.Get(ctx, ref); err == nil {
			if _, err := readManifest(ref, got); err != nil {
				return "", false, err
			}
			return got.Digest.String(), true, nil
		}
	}
	if status(err) == http.StatusNotFound {
		return "", false, nil
	}
	return "", false, b.typed(ctx, ref, err)
}

// incomplete tells an answer to HEAD that lacks a header or refuses the
// method, as some registries' do, from a registry that did not answer.
func incomplete(err error) bool {
	if errors.As(err, new(*CredentialsError)) || network(err) || errors.Is(err, errRedirects) {
		return false
	}
	return status(err) == 0 || status(err) == http.StatusMethodNotAllowed
}

// status is the HTTP status of a registry's error, or 0.
func status(err error) int {
	var terr *transport.Error
	if errors.As(err, &terr) {
		return terr.StatusCode
	}
	return 0
}

// push uploads img, what is missing of it, under its digest and, when there is
// a key, under the key's tag. pushed is false when the manifest was there.
func (b *Builder) push(ctx context.Context, repo repository, img pushable, key string) (digest string, pushed bool, err error) {
	hash, err := img.Digest()
	if err != nil {
		return "", false, fmt.Errorf("computing the image's digest: %w", err)
	}
	digest = hash.String()
	byDigest := repo.Digest(digest)
	_, found, err := b.find(ctx, byDigest)
	if err != nil {
		return "", false, err
	}
	var ref name.Reference = byDigest
	if key != "" {
		ref = repo.Tag(tagPrefix + key)
	}
	ctx = withOperation(ctx, operationOf(ctx))
	for try := range pushes {
		if err = b.send(ctx, ref, img, found, try); err == nil || !uploadLost(err) && !partsLost(err) {
			break
		}
		found = false // whatever it says that it has
		if err := pause(ctx, 200*time.Millisecond<<try); err != nil {
			return "", false, err
		}
	}
	switch {
	case err == nil:
		return digest, !found, b.verify(ctx, byDigest)
	case status(err) == http.StatusNotFound:
		// Some registries want a repository, or its project, to be made first.
		err = &RefusedError{Registry: registryName(repo), Repository: repo.RepositoryStr(), Reason: reason(err)}
	default:
		err = b.typed(ctx, ref, err)
	}
	return "", false, fmt.Errorf("pushing %s: %w", imageName(repo), err)
}

// pushes is how often an image is sent whose parts get lost on the way.
const pushes = 4

// send uploads img, or tags it when the registry has found it. A client remembers
// what it uploaded, so that another one is needed to do it again.
func (b *Builder) send(ctx context.Context, ref name.Reference, img pushable, found bool, try int) (err error) {
	pusher := b.pusher
	if try > 0 {
		if pusher, err = remote.NewPusher(b.remoteOptions()...); err != nil {
			return err
		}
	}
	switch _, byTag := ref.(name.Tag); {
	case !found:
		return pusher.Push(ctx, ref, img)
	case byTag:
		return pusher.Put(ctx, ref, img)
	}
	return nil
}

// verify reads what was pushed: a server that answers everything with "yes" is no
// registry.
func (b *Builder) verify(ctx context.Context, digest name.Digest) error {
	data, err := b.fetch(ctx, digest, b.manifest)
	if err != nil {
		return fmt.Errorf("reading what was pushed: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Config == nil {
		return err // an index has no config
	}
	if _, err := b.fetch(ctx, digest.Context().Digest(m.Config.Digest.String()), b.blob); err != nil {
		return fmt.Errorf("reading what was pushed: %w", err)
	}
	return nil
}
