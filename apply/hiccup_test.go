package apply_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// hiccups fails each request once, and lets it through from then on. What was
// asked for may have been done all the same: then the answer is lost.
type hiccups struct {
	next http.RoundTripper
	done bool

	mu   sync.Mutex
	seen map[string]int
}

func (h *hiccups) RoundTrip(req *http.Request) (*http.Response, error) {
	key := req.Method + " " + req.URL.Path
	query := req.URL.Query()
	if query.Has("watch") {
		key = "WATCH " + req.URL.Path
	} else if query.Has("dryRun") {
		key += " dry"
	}
	h.mu.Lock()
	h.seen[key]++
	n := h.seen[key]
	h.mu.Unlock()
	if n > 1 || strings.Contains(req.URL.Path, "/authorization.k8s.io/") {
		return h.next.RoundTrip(req)
	}
	code, message := http.StatusInternalServerError, "etcdserver: leader changed"
	if query.Has("watch") {
		code, message = http.StatusUnauthorized, "Unauthorized" // as when a token has run out
	} else if h.done {
		res, err := h.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		code, message = http.StatusGatewayTimeout, "the answer is late"
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(message)), Request: req,
	}, nil
}

// stumbling is e whose every request fails at first.
func (e *env) stumbling(done bool) *env {
	e.Helper()
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &hiccups{next: next, done: done, seen: map[string]int{}}
	})
	return &out
}

// A server that fails each request once changes the end of no deploy: neither of
// the first in its namespace, nor of one with hooks, one that breaks and returns,
// a rollback, and the removal of all.
func TestServerHiccups(t *testing.T) {
	for name, done := range map[string]bool{"nothing is done": false, "all is done": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			want := func(outcome apply.Outcome) func(*apply.Result, error) {
				return func(res *apply.Result, err error) {
					t.Helper()
					if res.Outcome != outcome {
						t.Fatalf("outcome %s, want %s: %v", res.Outcome, outcome, err)
					}
				}
			}
			deploy := func(u apply.Unit) (*apply.Result, error) {
				return e.stumbling(done).deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
			}
			want(apply.Deployed)(deploy(e.unit(service{env: map[string]string{"VERSION": "1"}})))
			want(apply.Unchanged)(deploy(e.unit(service{env: map[string]string{"VERSION": "1"}})))
			hooked := with(e.unit(service{env: map[string]string{"VERSION": "2"}}), e.hook("web", "migrate", "before", "0", ""))
			want(apply.Deployed)(deploy(hooked))
			want(apply.RolledBack)(deploy(e.unit(service{env: map[string]string{"EXIT": "1"}})))
			e.isAt("web", 2)
			want(apply.Deployed)(e.stumbling(done).client().Rollback(e.ctx, apply.RollbackRequest{To: 1}, e.log))
			e.isAt("web", 1)
			want(apply.Removed)(e.stumbling(done).client().Delete(e.ctx, apply.DeleteRequest{}, e.log))
		})
	}
}
