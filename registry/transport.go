package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dialTimeout is how long a registry may take to accept a connection. A
	// registry that is down is worth knowing at once.
	dialTimeout = 3 * time.Second
	// answerTimeout bounds a question, which is a small one: a registry that
	// accepts and then stays silent is down too.
	answerTimeout = 10 * time.Second
	// stallTimeout is how long an upload may stand still, and how long a registry
	// may take to store what it got whole.
	stallTimeout = 5 * time.Minute
	// maxRedirects is how often one question may be sent elsewhere; the usual is once,
	// to where blobs are kept.
	maxRedirects = 5
	// maxWait is how long in all a registry may put off one operation.
	maxWait = 2 * time.Minute
)

// errRedirects is a registry that sends its clients round in circles. The client
// itself follows some redirects without a limit.
var errRedirects = fmt.Errorf("it redirects more than %d times", maxRedirects)

// polite asks again what a registry was too busy to answer, when the registry
// wants it to, and bounds questions, uploads and redirects.
type polite struct {
	next  http.RoundTripper
	pause func(context.Context, time.Duration) error
	now   func() time.Time
}

func newTransport() *polite {
	return &polite{next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   50,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   answerTimeout,
		ResponseHeaderTimeout: stallTimeout,
		ExpectContinueTimeout: time.Second,
	}, pause: pause, now: time.Now}
}

func (p *polite) RoundTrip(req *http.Request) (*http.Response, error) {
	if redirects(req) > maxRedirects {
		return nil, errRedirects
	}
	for try := 0; ; try++ {
		res, err := p.once(req)
		if err != nil {
			return nil, err
		}
		wait, again := putOff(res, try, p.now())
		if !again || !rewindable(req) || !operationOf(req.Context()).wait(p.now(), wait) {
			return res, nil
		}
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // for the connection to be used again
		_ = res.Body.Close()
		if err := p.pause(req.Context(), wait); err != nil {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// once sends one request, which may not take for ever.
func (p *polite) once(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	within := answerTimeout
	if uploads(req) {
		within = stallTimeout
	}
	timer := time.AfterFunc(within, func() { cancel(context.DeadlineExceeded) })
	end := func() { timer.Stop(); cancel(nil) }
	sent := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		sent.Body = &meter{ReadCloser: req.Body, count: func(n int) {
			timer.Reset(within)
			operationOf(ctx).sent.Add(int64(n))
		}}
	}
	res, err := p.next.RoundTrip(sent)
	if err != nil {
		err = late(ctx, err)
		end()
		return nil, err
	}
	res.Body = &meter{ReadCloser: res.Body, ctx: ctx, closed: end}
	return res, nil
}

// late is err, or that it was our own time that was up.
func late(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}

// uploads tells what may take its time from a question.
func uploads(req *http.Request) bool {
	return req.Method == http.MethodPatch || req.Method == http.MethodPut
}

// redirects counts those that led to a request.
func redirects(req *http.Request) (n int) {
	for req.Response != nil && req.Response.Request != nil {
		n, req = n+1, req.Response.Request
	}
	return n
}

// putOff reports whether a registry was too busy to answer, and when to ask it
// again: when it says, else after 0.2, 0.6 and 1.8 seconds of trouble, and more and
// more seconds when it wants fewer requests.
func putOff(res *http.Response, try int, now time.Time) (wait time.Duration, again bool) {
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		wait = min(time.Second<<min(try, 5), 30*time.Second)
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		522: // Cloudflare's for a server that it does not reach
		if wait = 200 * time.Millisecond; try > 0 {
			wait *= time.Duration(3 * try * try) // 0.2, 0.6, 2.4
		}
	default:
		return 0, false
	}
	told, ok := retryAfter(res.Header.Get("Retry-After"), now)
	if ok {
		return max(told, wait/10), true
	}
	return wait, res.StatusCode == http.StatusTooManyRequests || try < 3
}

// retryAfter reads a time from now in seconds, or a date
// (https://www.rfc-editor.org/rfc/rfc9110#name-retry-after).
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func rewound(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, nil
	}
	var err error
	again.Body, err = req.GetBody()
	return again, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// operation is what the requests of one question or push share: how long they may
// still be put off, and how much they sent.
type operation struct {
	waiting func(time.Duration) // told of waits that a person would notice
	sent    atomic.Int64

	mu     sync.Mutex
	waited time.Duration
	until  time.Time // when the last wait ends
	denied time.Duration
}

type operationKey struct{}

// withOperation is a context for one operation.
func withOperation(ctx context.Context, o *operation) context.Context {
	return context.WithValue(ctx, operationKey{}, o)
}

// operationFrom gives the operation of a context, or nil.
func operationFrom(ctx context.Context) *operation {
	o, _ := ctx.Value(operationKey{}).(*operation)
	return o
}

// operationOf gives one that is never nil.
func operationOf(ctx context.Context) *operation {
	if o := operationFrom(ctx); o != nil {
		return o
	}
	return &operation{}
}

// wait reports whether a wait of d is within what is left of maxWait. Waits side by
// side count once.
func (o *operation) wait(now time.Time, d time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := now
	if o.until.After(now) {
		from = o.until
	}
	cost := max(0, now.Add(d).Sub(from))
	if o.waited+cost > maxWait {
		o.denied = d
		return false
	}
	if cost > 0 {
		o.waited, o.until = o.waited+cost, now.Add(d)
	}
	if o.waiting != nil && cost >= time.Second {
		o.waiting(d)
	}
	return true
}

// tooBusy says, after an operation that failed, that it was put off for too long.
func (o *operation) tooBusy() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.denied > maxWait:
		return fmt.Sprintf("it wants to be asked again after %s", o.denied.Round(time.Second))
	case o.waited >= time.Second:
		return fmt.Sprintf("still so after waiting %s", o.waited.Round(time.Second))
	}
	return ""
}

// meter counts what is read, and tells when it is closed.
type meter struct {
	io.ReadCloser
	ctx    context.Context // of the request whose answer it is
	count  func(int)
	closed func()
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if m.count != nil && n > 0 {
		m.count(n)
	}
	if m.ctx != nil && err != nil && !errors.Is(err, io.EOF) {
		err = late(m.ctx, err)
	}
	return n, err
}

func (m *meter) Close() error {
	if m.closed != nil {
		m.closed()
	}
	return m.ReadCloser.Close()
}
