package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// find gives the digest of ref in its registry, or false when it has none.
func (b *Builder) find(ctx context.Context, ref name.Reference) (digest string, found bool, err error) {
	actx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	desc, err := b.puller.Head(actx, ref)
	if err == nil {
		return desc.Digest.String(), true, nil
	}
	if incomplete(err) {
		var got *remote.Descriptor
		if got, err = b.puller.Get(actx, ref); err == nil {
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
	var network *url.Error
	return !errors.As(err, &network) && (status(err) == 0 || status(err) == http.StatusMethodNotAllowed)
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
	switch {
	case !found:
		err = b.pusher.Push(ctx, ref, img)
	case key != "":
		err = b.pusher.Put(ctx, ref, img)
	}
	switch {
	case err == nil:
		return digest, !found, nil
	case status(err) == http.StatusNotFound:
		// Some registries want a repository, or its project, to be made first.
		err = &RefusedError{Registry: registryName(repo), Repository: repo.RepositoryStr(), Reason: reason(err)}
	default:
		err = b.typed(ctx, ref, err)
	}
	return "", false, fmt.Errorf("pushing %s: %w", imageName(repo), err)
}
