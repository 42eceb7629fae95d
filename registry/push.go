package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// reach asks for a manifest that no build has, to see that the registry
// answers and lets us in.
func (b *Builder) reach(ctx context.Context, repo repository) error {
	_, _, err := b.find(ctx, repo.Tag(tagPrefix+"reach"))
	return err
}

// find gives the digest of ref in its registry, or false when it has none.
func (b *Builder) find(ctx context.Context, ref name.Reference) (digest string, found bool, err error) {
	actx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	desc, err := b.puller.Head(actx, ref)
	if err == nil {
		return desc.Digest.String(), true, nil
	}
	var terr *transport.Error
	if !errors.As(err, &terr) {
		// Not every registry answers HEAD with all that it should.
		if got, gerr := b.puller.Get(actx, ref); gerr == nil {
			return got.Digest.String(), true, nil
		}
		return "", false, b.typed(ctx, ref, err)
	}
	if terr.StatusCode == http.StatusNotFound {
		return "", false, nil
	}
	return "", false, b.typed(ctx, ref, err)
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
	switch {
	case !found:
		err = b.pusher.Push(ctx, ref, img)
	case key != "":
		err = b.pusher.Put(ctx, ref, img)
	}
	if err != nil {
		return "", false, fmt.Errorf("pushing %s: %w", imageName(repo), b.typed(ctx, ref, err))
	}
	return digest, !found, nil
}
