package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What only asks is asked again when the server cannot answer, whole, and nothing
// else is.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	const leader = `{"message":"etcdserver: leader changed"}`
	const denial = `{"message":"admission webhook \"a\" denied the request: no"}`
	tests := []struct {
		name, method, path string
		code               int
		answer, retryAfter string
		impatient          bool // it was not asked for
		again              bool
	}{
		{name: "a read", method: "GET", path: "/api/v1/namespaces/a/pods?limit=1", code: 503, again: true},
		{name: "another leader", method: "GET", path: "/api/v1/pods", code: 500, answer: leader, again: true},
		{name: "too many", method: "GET", path: "/api/v1/pods", code: 429, again: true},
		{name: "too many, client-go waits", method: "GET", path: "/api/v1/pods", code: 429, retryAfter: "1"},
		{name: "a server that starts", method: "GET", path: "/api/v1/pods", code: 403, answer: "pods is forbidden: not yet ready to handle request", again: true},
		{name: "forbidden", method: "GET", path: "/api/v1/pods", code: 403, answer: "no"},
		{name: "credentials that were never good", method: "GET", path: "/api/v1/pods", code: 401},
		{name: "nothing there", method: "GET", path: "/api/v1/pods/a", code: 404},
		{name: "a dry run", method: "PATCH", path: "/api/v1/pods/a?dryRun=All", code: 504, again: true},
		{name: "a webhook that says no", method: "PATCH", path: "/api/v1/pods/a?dryRun=All", code: 500, answer: denial},
		{name: "a write", method: "PATCH", path: "/api/v1/pods/a", code: 503},
		{name: "a watch", method: "GET", path: "/api/v1/pods?watch=true", code: 503},
		{name: "a log", method: "GET", path: "/api/v1/namespaces/a/pods/a/log", code: 500},
		{name: "which kinds there are", method: "GET", path: "/apis", code: 503, impatient: true, again: true},
		{name: "who does not wait", method: "GET", path: "/api/v1/pods", code: 503, impatient: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var bodies []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, _ := io.ReadAll(req.Body)
				if bodies = append(bodies, string(body)); len(bodies) > 1 {
					return
				}
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.code)
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer server.Close()
			ctx := t.Context()
			if !tt.impatient {
				ctx = patient(ctx)
			}
			req, err := http.NewRequestWithContext(ctx, tt.method, server.URL+tt.path, strings.NewReader("what is asked"))
			must(t, err)
			res, err := (&patience{next: server.Client().Transport}).RoundTrip(req)
			must(t, err)
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			must(t, err)
			code, answer, times := 200, "", 2
			if !tt.again {
				code, answer, times = tt.code, tt.answer, 1
			}
			if res.StatusCode != code || string(got) != answer || len(bodies) != times {
				t.Errorf("%d %q after %d requests", res.StatusCode, got, len(bodies))
			}
			for _, body := range bodies {
				if body != "what is asked" {
					t.Errorf("sent %q", body)
				}
			}
		})
	}
}

// A server that was there and refuses connections is starting again; one that was
// never there is not waited for, and nobody is who ends first.
func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	p := &patience{next: server.Client().Transport}
	ask := func(ctx context.Context, p *patience) error {
		req, err := http.NewRequestWithContext(patient(ctx), http.MethodGet, server.URL, nil)
		must(t, err)
		res, err := p.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	must(t, ask(t.Context(), p))
	server.Close()
	if err := ask(t.Context(), &patience{next: p.next}); err == nil {
		t.Error("somebody answers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	refused := 0
	p.next = roundTripper(func(req *http.Request) (*http.Response, error) {
		if refused++; refused == 3 {
			cancel()
		}
		return server.Client().Transport.RoundTrip(req)
	})
	if err := ask(ctx, p); err == nil || refused != 3 {
		t.Errorf("asked %d times: %v", refused, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Which failures of a write may pass.
func TestTransient(t *testing.T) {
	t.Parallel()
	pods, quotas := schema.GroupResource{Resource: "pods"}, schema.GroupResource{Resource: "resourcequotas"}
	webhook := `admission webhook "a" denied the request: no`
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"another leader", apierrors.NewInternalError(errors.New("etcdserver: leader changed")), true},
		{"a slow store", apierrors.NewTimeoutError("etcdserver: request timed out", 0), true},
		{"too many", apierrors.NewTooManyRequests("slow down", 1), true},
		{"no server behind it", apierrors.NewServiceUnavailable("starting"), true},
		{"a webhook that is down", apierrors.NewInternalError(errors.New(`failed calling webhook "a": failed to call webhook: connection refused`)), true},
		{"a webhook that says no", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Reason: metav1.StatusReasonInternalError, Message: webhook}}, false},
		{"a quota that many count on", apierrors.NewConflict(quotas, "q", errors.New("the object has been modified; please apply your changes to the latest version and try again")), true},
		{"another object of its name", apierrors.NewConflict(pods, "a", errors.New("Precondition failed: UID in precondition: a, UID in object meta: b")), false},
		{"a field of somebody's", apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict}}, "Apply failed with 1 conflict"), false},
		{"a server that starts", apierrors.NewForbidden(pods, "a", errors.New(notYetReady)), true},
		{"forbidden", apierrors.NewForbidden(pods, "a", errors.New("no")), false},
		{"credentials that ran out", apierrors.NewUnauthorized("no"), true},
		{"wrapped", fmt.Errorf("writing: %w", apierrors.NewServiceUnavailable("starting")), true},
		{"nothing", nil, false},
	} {
		if got := isPassing(tt.err); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// However long the first answer was waited for, there is a second try.
func TestSecondTry(t *testing.T) {
	t.Parallel()
	lost := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	tries := map[string]func(ctx context.Context, try func() error) error{
		"a write": func(ctx context.Context, try func() error) error {
			return repeat(ctx, func(bool) error { return try() })
		},
		"a read": func(ctx context.Context, try func() error) error {
			p := &patience{next: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, try()
			})}
			p.answered.Store(true)
			req, err := http.NewRequestWithContext(patient(ctx), http.MethodGet, "http://server/api", nil)
			must(t, err)
			res, err := p.RoundTrip(req)
			if err == nil {
				_ = res.Body.Close()
			}
			return err
		},
	}
	for name, do := range tries {
		for lasts, want := range map[int]int{1: 2, 100: 2} { // tries that fail, tries in all
			t.Run(fmt.Sprintf("%s, %d fail", name, lasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 0
					err := do(t.Context(), func() error {
						if n++; n > lasts {
							return nil
						}
						time.Sleep(answerWithin)
						return lost
					})
					if n != want || (err == nil) != (lasts < want) {
						t.Errorf("tried %d times: %v", n, err)
					}
				})
			})
		}
	}
}
