package registry

import (
	"context"
	"errors"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Resolve pins a reference to its digest: name:tag becomes name@sha256:…, with
// Docker Hub's short names written out (nginx is docker.io/library/nginx:latest).
// A reference that has a digest is returned as it is, and not looked up.
//
// Errors: *BadReferenceError, *NotFoundError, *UnreachableError, *UnauthorizedError.
func (b *Builder) Resolve(ctx context.Context, reference string) (string, error) {
	ref, err := parseReference(reference)
	if err != nil {
		return "", badReference(reference, err)
	}
	if _, ok := ref.(name.Digest); ok {
		return reference, nil
	}
	digest, found, err := b.find(ctx, ref)
	if err != nil {
		return "", err
	}
	if !found {
		return "", &NotFoundError{Reference: referenceName(ref)}
	}
	return imageName(ref.Context()) + "@" + digest, nil
}

// parseReference is name.ParseReference with errors that say what is wrong.
func parseReference(s string) (name.Reference, error) {
	if err := noScheme(s); err != nil {
		return nil, err
	}
	if strings.Contains(s, "@") {
		return name.NewDigest(s)
	}
	return name.NewTag(s)
}

func parseRepository(s string) (repository, error) {
	repo, err := name.NewRepository(s)
	if serr := noScheme(s); serr != nil {
		err = serr
	}
	if err != nil {
		return repo, badReference(s, err)
	}
	return repo, nil
}

// noScheme refuses an address: "https:" would be taken for a registry's name.
func noScheme(s string) error {
	if strings.Contains(s, "://") {
		return errors.New("write it without a scheme: host[:port]/path")
	}
	return nil
}

// badReference leaves out what may be a password: all before an @ that no
// digest follows, and the parser's words, which repeat it.
func badReference(s string, err error) error {
	if i := strings.LastIndex(s, "@"); i >= 0 && !strings.HasPrefix(s[i:], "@sha256:") {
		return &BadReferenceError{Reference: "…" + s[i:], Reason: "credentials do not belong in it: log in to the registry instead"}
	}
	return &BadReferenceError{Reference: s, Reason: err.Error()}
}

// registryName is the registry's host, under the name that people and
// Kubernetes know Docker Hub by.
func registryName(repo repository) string {
	if repo.RegistryStr() == name.DefaultRegistry {
		return "docker.io"
	}
	return repo.RegistryStr()
}

func imageName(repo repository) string { return registryName(repo) + "/" + repo.RepositoryStr() }

func referenceName(ref name.Reference) string {
	sep := ":"
	if _, ok := ref.(name.Digest); ok {
		sep = "@"
	}
	return imageName(ref.Context()) + sep + ref.Identifier()
}
