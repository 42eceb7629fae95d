package apply

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// answerWithin is how long a request may stay without its whole answer. An API server
// gives up after 60 s (--request-timeout) and says so: what is not answered by then got
// lost on the way, as one stream of a connection does whose other requests are answered.
const answerWithin = 70 * time.Second

// bounded ends requests that nobody answers, but for those that stay open: watches and
// logs. The error is a timeout, as of a network that fails.
type bounded struct {
	next   http.RoundTripper
	within time.Duration
}

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if staysOpen(req) {
		return b.next.RoundTrip(req)
	}
	within := b.within
	if short, ok := req.Context().Value(withinKey{}).(time.Duration); ok {
		within = min(within, short)
	}
	ctx, cancel := context.WithTimeout(req.Context(), within)
	res, err := b.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = boundedBody{res.Body, cancel}
	return res, nil
}

type withinKey struct{}

// hurry is ctx for what is to be over soon: the end of a command. One request of it
// takes a part of that time, so that there is a second try where an answer is lost.
func hurry(ctx context.Context, all time.Duration) (context.Context, context.CancelFunc) {
	ctx = context.WithValue(ctx, withinKey{}, max(all/3, 3*time.Second))
	return context.WithTimeout(ctx, all)
}

func staysOpen(req *http.Request) bool {
	return req.URL.Query().Has("watch") || strings.HasSuffix(req.URL.Path, "/log")
}

// boundedBody is read within the time of its request.
type boundedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b boundedBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}
