package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

type repository = name.Repository

// layerJobs is how many layers of an image are pushed at once.
const layerJobs = 4

func (b *Builder) remoteOptions() []remote.Option {
	opts := []remote.Option{
		remote.WithTransport(b.transport),
		remote.WithAuthFromKeychain(b.opts.Keychain),
		remote.WithJobs(layerJobs),
		remote.WithRetryStatusCodes(), // the transport asks again itself
		remote.WithRetryPredicate(transient),
		// Four tries, after 0.2, 0.6 and 1.8 seconds.
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 4}),
	}
	if b.opts.UserAgent != "" {
		opts = append(opts, remote.WithUserAgent(b.opts.UserAgent))
	}
	return opts
}

// transient reports whether trying again may help. A connection that is
// refused, a host that does not exist or does not answer is told at once; a
// registry that is too busy was asked again as often as it is good.
func transient(err error) bool {
	var dial *net.OpError
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	for _, t := range []error{io.ErrUnexpectedEOF, io.EOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed} {
		if errors.Is(err, t) {
			return true
		}
	}
	return uploadLost(err)
}

// uploadLost reports whether a registry, or one of several behind one name, has
// forgotten an upload, or got something else than was sent. A new upload may do.
func uploadLost(err error) bool {
	var terr *transport.Error
	if !errors.As(err, &terr) || terr.Request == nil {
		return false
	}
	for _, d := range terr.Errors {
		switch d.Code {
		case transport.BlobUploadUnknownErrorCode, transport.BlobUploadInvalidErrorCode,
			transport.BlobUnknownErrorCode, transport.DigestInvalidErrorCode, transport.SizeInvalidErrorCode:
			return true
		}
	}
	lost := terr.StatusCode == http.StatusNotFound || terr.StatusCode == http.StatusRequestedRangeNotSatisfiable
	return lost && uploads(terr.Request) && !strings.Contains(terr.Request.URL.Path, "/manifests/")
}

// partsLost reports whether a registry says that it lacks what an image is made of,
// which it had or got before.
func partsLost(err error) bool {
	var terr *transport.Error
	if !errors.As(err, &terr) || terr.Request == nil || terr.Request.Method != http.MethodPut {
		return false
	}
	return slices.ContainsFunc(terr.Errors, func(d transport.Diagnostic) bool {
		return d.Code == transport.ManifestBlobUnknownErrorCode || d.Code == transport.BlobUnknownErrorCode || d.Code == transport.ManifestUnknownErrorCode
	})
}

// typed turns what the client says of ref into the error types of this
// package. It keeps codes and short messages only: bodies, addresses with
// queries and headers may hold tokens.
func (b *Builder) typed(ctx context.Context, ref name.Reference, err error) error {
	if cerr := ctx.Err(); err == nil || cerr != nil {
		return cerr
	}
	repo := ref.Context()
	host, path := registryName(repo), repo.RepositoryStr()
	var credentials *CredentialsError
	switch code := status(err); {
	case errors.As(err, &credentials):
		return credentials
	case code == 0 && !network(err):
		return &AnswerError{Registry: host, Reason: firstLine(plain(err).Error())}
	case code == 0:
		return &UnreachableError{Registry: host, Err: plain(err)}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &UnauthorizedError{Registry: host, Repository: path, Anonymous: b.anonymous(ctx, repo), Reason: reason(err)}
	case code == http.StatusNotFound:
		return &NotFoundError{Reference: referenceName(ref)}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		why := reason(err)
		if busy := operationOf(ctx).tooBusy(); busy != "" {
			why += "; " + busy
		}
		return &UnreachableError{Registry: host, Err: errors.New(why)}
	default:
		return &RefusedError{Registry: host, Repository: path, Reason: reason(err)}
	}
}

// network reports whether err is of the way to a registry, and not of what it
// answered.
func network(err error) bool {
	var way *url.Error
	var wire net.Error
	if errors.Is(err, errRedirects) {
		return false
	}
	return errors.As(err, &way) || errors.As(err, &wire) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// firstLine leaves out what some errors quote of an answer below.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return truncate(strings.TrimSuffix(line, ":"), 300)
}

// reason is what a registry's error says: its codes and their messages.
func reason(err error) string {
	var terr *transport.Error
	if !errors.As(err, &terr) {
		return err.Error()
	}
	var said []string
	for _, d := range terr.Errors {
		said = append(said, strings.TrimSuffix(string(d.Code)+": "+d.Message, ": "))
	}
	if len(said) == 0 {
		return strings.ToLower(http.StatusText(terr.StatusCode))
	}
	return truncate(strings.Join(said, "; "), 300)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// plain reduces a network error to its cause, which names hosts and no more.
func plain(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in " + answerTimeout.String())
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &op):
		return op
	}
	// The innermost error has no address around it.
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (b *Builder) anonymous(ctx context.Context, repo repository) bool {
	auth, err := authn.Resolve(ctx, b.opts.Keychain, repo)
	return err == nil && auth == authn.Anonymous
}
