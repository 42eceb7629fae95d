package registry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a busy registry says of when to ask again is heeded; one that says nothing
// gets more patience when it is asked too much than when it is broken.
func TestPutOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		status int
		after  string
		try    int
		wait   time.Duration
		again  bool
	}{
		{429, "7", 0, 7 * time.Second, true},
		{429, "7", 9, 7 * time.Second, true},
		{429, "0", 0, 100 * time.Millisecond, true},
		{429, "Fri, 02 Jan 2026 03:04:35 GMT", 0, 30 * time.Second, true},
		{429, "Fri, 02 Jan 2026 03:00:00 GMT", 0, 100 * time.Millisecond, true},
		{429, "-5", 0, time.Second, true},
		{429, "soon", 1, 2 * time.Second, true},
		{429, "99999999999999999999", 2, 4 * time.Second, true},
		{429, "", 20, 30 * time.Second, true},
		{503, "11", 0, 11 * time.Second, true},
		{503, "", 0, 200 * time.Millisecond, true},
		{500, "", 2, 2400 * time.Millisecond, true},
		{502, "", 3, 5400 * time.Millisecond, false},
		{200, "7", 0, 0, false},
		{404, "7", 0, 0, false},
		{401, "", 0, 0, false},
	} {
		res := &http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {test.after}}}
		if wait, again := putOff(res, test.try, now); wait != test.wait || again != test.again {
			t.Errorf("%d, %q, try %d: got %s, %v", test.status, test.after, test.try, wait, again)
		}
	}
}

// Waits are bounded in all, and count once when they are side by side.
func TestOperationWaits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := &operation{}
	for range 50 {
		if !o.wait(now, time.Minute) {
			t.Fatal("waits side by side are added up")
		}
	}
	if o.wait(now.Add(time.Minute), maxWait) {
		t.Error("more than maxWait in all")
	}
	if !o.wait(now.Add(time.Minute), time.Minute) {
		t.Error("less than maxWait is not waited")
	}
	if o := (&operation{}); o.wait(now, time.Hour) || !strings.Contains(o.tooBusy(), "1h0m0s") {
		t.Errorf("an hour: %s", o.tooBusy())
	}
}

// busyBuilder is one whose waits take no time, and are added up.
func busyBuilder(t *testing.T) (*Builder, func() time.Duration) {
	t.Helper()
	b := newBuilder(t, Options{})
	var waited atomic.Int64 // side by side, too: more than is waited
	start := time.Now()
	b.transport.now = func() time.Time { return start.Add(time.Duration(waited.Load())) }
	b.transport.pause = func(_ context.Context, d time.Duration) error {
		waited.Add(int64(d))
		return nil
	}
	return b, func() time.Duration { return time.Duration(waited.Load()) }
}

// A registry that wants fewer requests is not given up soon: whatever it was asked,
// it is asked again, and in the end has what was sent.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var refused atomic.Int32
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != method || refused.Add(1) > 5 {
					return false
				}
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Retry-After", "6")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			})
			b, waited := busyBuilder(t)
			r := mustBuild(t, b, helloBuild(srv.Host, project(t, hello)))
			if w := waited(); w < 6*time.Second || refused.Load() < 5 {
				t.Errorf("waited %s", w)
			}
			pull(t, r.Image)
		})
	}
}

// One that never is less busy is left in the end, and what it wants is told.
func TestTooManyRequestsForEver(t *testing.T) {
	t.Parallel()
	for after, says := range map[string]string{"": "too many requests; still so after waiting 1m", "3600": "too many requests; it wants to be asked again after 1h0m0s"} {
		var asked atomic.Int32
		host := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				asked.Add(1)
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		b, waited := busyBuilder(t)
		_, err := b.Resolve(t.Context(), host+"/team/app:1")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", after, err)
		}
		if w := waited(); w > maxWait || asked.Load() > 20 || (after == "") != (w > time.Minute) {
			t.Errorf("%q: waited %s and asked %d times", after, w, asked.Load())
		}
	}
}

// A wait ends with its context.
func TestWaitIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			cancel()
		}
	})
	if _, err := newBuilder(t, Options{}).Resolve(ctx, host+"/team/app:1"); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

// Uploads that the registry forgets are made anew, and parts that it has lost are
// sent again.
func TestUploadsLost(t *testing.T) {
	t.Parallel()
	errorOf := func(code string) string {
		return `{"errors":[{"code":"` + code + `","message":"unknown to registry"}]}`
	}
	for name, test := range map[string]struct {
		method, part string
		status       int
		body         string
	}{
		"session gone":          {"PATCH", "/blobs/uploads/", 404, errorOf("BLOB_UPLOAD_UNKNOWN")},
		"session gone at end":   {"PUT", "/blobs/uploads/", 404, errorOf("BLOB_UPLOAD_UNKNOWN")},
		"session gone, no word": {"PATCH", "/blobs/uploads/", 404, ""},
		"out of order":          {"PATCH", "/blobs/uploads/", 416, ""},
		"upload invalid":        {"PUT", "/blobs/uploads/", 400, errorOf("BLOB_UPLOAD_INVALID")},
		"digest invalid":        {"PUT", "/blobs/uploads/", 400, errorOf("DIGEST_INVALID")},
		"blob gone":             {"PUT", "/manifests/", 400, errorOf("MANIFEST_BLOB_UNKNOWN")},
		"blob gone, 404":        {"PUT", "/manifests/", 404, errorOf("MANIFEST_BLOB_UNKNOWN")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lost atomic.Int32
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != test.method || !strings.Contains(r.URL.Path, test.part) || lost.Add(1) > 2 {
					return false
				}
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
				return true
			})
			r := mustBuild(t, newBuilder(t, Options{}), helloBuild(srv.Host, project(t, hello)))
			pull(t, r.Image)
			if lost.Load() < 3 {
				t.Error("nothing was lost")
			}
		})
	}
}
