package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	callTimeout = 3 * time.Second // for a call with all its attempts, unless the caller has less
	dialTimeout = time.Second
	clientIdle  = 30 * time.Second
	attempts    = 4
	firstPause  = 50 * time.Millisecond // doubled before every further attempt
)

var transport = &http.Transport{
	DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
	MaxIdleConnsPerHost: 32,
	IdleConnTimeout:     clientIdle,
}

// Client calls one other service.
type Client struct {
	name, base, token string
	timeout           time.Duration
}

// NewClient gives a Client of the service called name at the URL base.
func NewClient(name, base string) *Client {
	return &Client{name: name, base: base, timeout: callTimeout}
}

// As gives a Client that shows token with every call; "" shows none.
func (c Client) As(token string) *Client {
	c.token = token
	return &c
}

// Within gives a Client with another timeout.
func (c Client) Within(timeout time.Duration) *Client {
	c.timeout = timeout
	return &c
}

// Get reads the JSON at path into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.Do(ctx, http.MethodGet, path, nil, into)
}

// Do sends body as JSON, unless it is nil, and reads the answer into a value,
// unless that is nil. What was wrong with the request is the *Error of the other
// service; when that does not work, it is an *Error with status 503 that names it.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		status, answer, err := c.once(ctx, method, path, sent)
		if err == nil {
			return c.read(status, answer, into)
		}
		if attempt == attempts || !worthRetrying(method, err) || !Pause(ctx, firstPause<<(attempt-1)) {
			return Errorf(http.StatusServiceUnavailable, "%s does not answer: %v", c.name, reason(err))
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if id := Request(ctx); id != "" {
		request.Header.Set(requestHeader, id)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 16*maxBody))
	return response.StatusCode, answer, err
}

func (c *Client) read(status int, answer []byte, into any) error {
	if status >= 300 {
		told := Error{Status: status}
		if json.Unmarshal(answer, &told) != nil || told.Message == "" {
			told.Message = http.StatusText(status)
		}
		if status < 400 || status >= 500 {
			return Errorf(http.StatusServiceUnavailable, "%s does not work: %s", c.name, told.Message)
		}
		return &told
	}
	if into == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the answer of %s: %w", c.name, err)
	}
	return nil
}

// worthRetrying reports whether a call that got no answer may be sent again: if
// it never arrived, or if it does no harm to do it twice.
func worthRetrying(method string, err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return method != http.MethodPost && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// Pause waits, and reports whether ctx lasted that long.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reason is the cause of a failed call without addresses, which mean nothing to
// who reads it.
func reason(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it takes too long")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
