package apply

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// askFor is how long what only asks is asked again while the server cannot answer.
// A write has its own patience: see writer.retry.
const askFor = 10 * time.Second

// onceFor bounds one request of the way back: an answer that is lost is asked for
// again while there is time.
const onceFor = 30 * time.Second

type (
	askKey   struct{}
	untilKey struct{}
)

// patient lets the requests made under ctx that only ask be asked again: one
// restart of an API server, another leader of its store, or a webhook that comes
// up is no reason to end a deploy.
func patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, askKey{}, true)
}

// patientUntil lets all that is asked and written under ctx be tried again until
// then, and at least as long as usual: the one patience of the way back.
func patientUntil(ctx context.Context, until time.Time) context.Context {
	return context.WithValue(ctx, untilKey{}, until)
}

// giveUpAt returns when what begins now under ctx is not tried again any more; usual
// is how long that is where nothing else is said.
func giveUpAt(ctx context.Context, usual time.Duration) time.Time {
	at := time.Now().Add(usual)
	if until, ok := ctx.Value(untilKey{}).(time.Time); ok && until.After(at) {
		return until
	}
	return at
}

// once does one request, which on the way back may not take for ever.
func once(ctx context.Context, do func(context.Context) error) error {
	if _, returning := ctx.Value(untilKey{}).(time.Time); returning {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, onceFor)
		defer cancel()
	}
	return do(ctx)
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
	deadline, tried := giveUpAt(req.Context(), askFor), false // however late the first answer is, there is a second
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		res, err := p.whole(req)
		again, after := p.busy(req.Context(), res, err)
		wait = max(wait, after)
		late := tried && time.Now().Add(wait).After(deadline)
		if !again || late || !pause(req.Context(), wait) {
			return res, err
		}
		tried = true
		if req = req.Clone(req.Context()); req.Body != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// whole returns an answer with all of its body, so that one that is cut off is no
// answer.
func (p *patience) whole(req *http.Request) (res *http.Response, err error) {
	err = once(req.Context(), func(ctx context.Context) error {
		if res, err = p.next.RoundTrip(req.WithContext(ctx)); err != nil { //nolint:bodyclose // it is closed below
			return err
		}
		data, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(data))
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
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

// busy reports whether the same request may be answered a moment later, and after
// which time at the soonest.
func (p *patience) busy(ctx context.Context, res *http.Response, err error) (again bool, after time.Duration) {
	if err != nil {
		// One that never answered may not be there at all.
		return p.answered.Load() && ctx.Err() == nil && !errors.Is(err, errStale), 0
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wanted := res.Header.Get("Retry-After")
		_, returning := ctx.Value(untilKey{}).(time.Time)
		seconds, _ := strconv.Atoi(wanted)
		return returning || wanted == "", time.Duration(seconds) * time.Second
	case http.StatusInternalServerError: // of a webhook's choice, too
		return !says(res, "denied the request"), 0
	case http.StatusForbidden:
		return says(res, notYetReady), 0
	case http.StatusUnauthorized:
		return p.answered.Load(), 0 // they were good, and are renewed after a refusal
	}
	p.answered.Store(true)
	return false, 0
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
