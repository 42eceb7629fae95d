package apply

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// askFor is how long what only asks is asked again while the server cannot answer.
// A write has its own patience: see writer.retry.
const askFor = 10 * time.Second

type askKey struct{}

// patient lets the requests made under ctx that only ask be asked again: one
// restart of an API server, another leader of its store, or a webhook that comes
// up is no reason to end a deploy.
func patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, askKey{}, true)
}

// patience asks again. What the server says how long to wait for is client-go's to
// repeat (https://kubernetes.io/docs/concepts/cluster-administration/flow-control).
type patience struct {
	next     http.RoundTripper
	answered atomic.Bool // by a server, so that there is one
}

func (p *patience) RoundTrip(req *http.Request) (*http.Response, error) {
	marked := req.Context().Value(askKey{}) != nil || isDiscovery(req.URL.Path)
	if !marked || !asks(req) {
		return p.next.RoundTrip(req)
	}
	start := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		res, err := p.next.RoundTrip(req)
		if !p.busy(res, err) || time.Since(start)+wait > askFor || !pause(req.Context(), wait) {
			return res, err
		}
		if res != nil {
			_ = res.Body.Close()
		}
		req = req.Clone(req.Context())
		if req.Body != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// asks reports whether a request changes nothing, however often it is sent: a read
// that ends, or a dry run.
func asks(req *http.Request) bool {
	query := req.URL.Query()
	if req.Method == http.MethodGet {
		return !query.Has("watch") && !strings.HasSuffix(req.URL.Path, "/log")
	}
	return query.Has("dryRun") && (req.Body == nil || req.GetBody != nil)
}

// isDiscovery is of which groups and kinds there are, for which client-go takes no
// context. That another server does not answer for its own is no failure of it.
func isDiscovery(path string) bool { return path == "/api" || path == "/apis" }

// busy reports whether the same request may be answered a moment later.
func (p *patience) busy(res *http.Response, err error) bool {
	if err != nil {
		return p.answered.Load() && utilnet.IsConnectionRefused(err)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return res.Header.Get("Retry-After") == ""
	case http.StatusInternalServerError: // of a webhook's choice, too
		return !says(res, "denied the request")
	case http.StatusForbidden:
		return says(res, notYetReady)
	case http.StatusUnauthorized:
		return p.answered.Load() // they were good, and are renewed after a refusal
	}
	p.answered.Store(true)
	return false
}

// notYetReady is what admission says while the server starts.
const notYetReady = "not yet ready to handle request"

// says looks into an answer, and leaves it to be read again.
func says(res *http.Response, text string) bool {
	data, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(data))
	return err == nil && bytes.Contains(data, []byte(text))
}
