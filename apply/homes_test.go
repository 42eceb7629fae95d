package apply_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// failing answers the requests that it is to fail with a code, so many times.
type failing struct {
	next  http.RoundTripper
	which func(*http.Request) bool
	code  int
	times atomic.Int64
}

func (f *failing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !f.which(req) || f.times.Add(-1) < 0 {
		return f.next.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: f.code, Status: http.StatusText(f.code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: http.NoBody,
	}, nil
}

// where is e whose requests of a kind fail so many times.
func (e *env) where(code int, times int64, which func(*http.Request) bool) *env {
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		f := &failing{next: next, which: which, code: code}
		f.times.Store(times)
		return f
	})
	return &out
}

// A record of the way back that cannot be read now is asked for again; while it
// cannot, nothing is begun.
func TestWayBackIsReadFirst(t *testing.T) {
	e := newEnv(t)
	first := e.mustDeploy(e.podless("db", "1"))
	record := func(req *http.Request) bool {
		return req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/secrets/shipit-shop-"+first.DeployID)
	}
	before := e.versions()
	res, err := e.where(http.StatusForbidden, 100, record).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("db", "2")}}, nil)
	if res.Outcome != apply.Refused || err == nil || !strings.Contains(err.Error(), "the way back of db to release 1") {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	delete(before, "Secret shipit-shop") // the lock was taken, and given back
	after := e.versions()
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was written", name)
		}
	}
	warned := false
	res, err = e.where(http.StatusServiceUnavailable, 2, record).deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("db", "2")}}, func(ev apply.Event) {
		warned = warned || ev.Kind == apply.EventWarning
	})
	if res.Outcome != apply.Deployed || warned {
		t.Fatalf("outcome %s, warned %v, error %v", res.Outcome, warned, err)
	}
}
