package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

type repository = name.Repository

const (
	// dialTimeout is how long a registry may take to accept a connection. A
	// registry that is down is worth knowing at once.
	dialTimeout = 3 * time.Second
	// answerTimeout bounds the first question, which is a small one: a
	// registry that accepts and then stays silent is down too.
	answerTimeout = 10 * time.Second
	// layerJobs is how many layers of an image are pushed at once.
	layerJobs = 4
)

func (b *Builder) remoteOptions() []remote.Option {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   50,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   answerTimeout,
		ExpectContinueTimeout: time.Second,
	}
	opts := []remote.Option{
		remote.WithTransport(t),
		remote.WithAuthFromKeychain(b.opts.Keychain),
		remote.WithJobs(layerJobs),
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
// refused, a host that does not exist or does not answer is told at once.
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
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
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
	switch code := status(err); {
	case code == 0:
		return &UnreachableError{Registry: host, Err: plain(err)}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &UnauthorizedError{Registry: host, Repository: path, Anonymous: b.anonymous(ctx, repo), Reason: reason(err)}
	case code == http.StatusNotFound:
		return &NotFoundError{Reference: referenceName(ref)}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return &UnreachableError{Registry: host, Err: errors.New(reason(err))}
	default:
		return &RefusedError{Registry: host, Repository: path, Reason: reason(err)}
	}
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
