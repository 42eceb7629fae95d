package apply

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// On the way back, whatever keeps the server from answering what is only asked is
// waited for; else it is waited for as usual, and who waits for no server is told so.
func TestAskedOnTheWayBack(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, how func(http.ResponseWriter)) {
		how(w)
		panic(http.ErrAbortHandler)
	}
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request){
		"the connection is reset": func(w http.ResponseWriter, _ *http.Request) { cut(w, func(http.ResponseWriter) {}) },
		"the answer is cut off": func(w http.ResponseWriter, _ *http.Request) {
			cut(w, func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, "{")
				_ = http.NewResponseController(w).Flush()
			})
		},
		"it is too busy, and says how long": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"another answers for it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
		},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				asked := 0
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if asked++; asked == 2 || asked == 3 {
						fail(w, req)
						return
					}
					_, _ = io.WriteString(w, "well")
				}))
				server.EnableHTTP2 = http2
				server.StartTLS()
				defer server.Close()
				p := &patience{next: server.Client().Transport}
				for range 2 { // one that was never there is not waited for
					ctx := patientUntil(patient(t.Context()), time.Now().Add(time.Minute))
					req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/pods", nil)
					must(t, err)
					res, err := p.RoundTrip(req) //nolint:bodyclose // it is read to its end
					must(t, err)
					got, err := io.ReadAll(res.Body)
					must(t, err)
					if string(got) != "well" {
						t.Errorf("answer %q", got)
					}
				}
				if asked != 4 {
					t.Errorf("asked %d times", asked)
				}
			})
		}
	}
}

// What begins before the end of a patience is tried until then, and at least as long
// as usual.
func TestGiveUpAt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ until, usual, want time.Duration }{
		"longer":       {time.Hour, time.Minute, time.Hour},
		"nearly over":  {time.Second, time.Minute, time.Minute},
		"over already": {-time.Hour, time.Minute, time.Minute},
	} {
		at := giveUpAt(patientUntil(t.Context(), time.Now().Add(tt.until)), tt.usual)
		if left := time.Until(at); left > tt.want || left < tt.want-5*time.Second {
			t.Errorf("%s: %s", name, left)
		}
	}
	if left := time.Until(giveUpAt(t.Context(), time.Minute)); left > time.Minute {
		t.Errorf("as usual: %s", left)
	}
}

// A request of the way back has an end of its own, and one that forward does not.
func TestOnce(t *testing.T) {
	t.Parallel()
	has := func(ctx context.Context) (ends bool) {
		must(t, once(ctx, func(ctx context.Context) error {
			_, ends = ctx.Deadline()
			return nil
		}))
		return ends
	}
	if has(t.Context()) || !has(patientUntil(t.Context(), time.Now())) {
		t.Error("the wrong one has an end")
	}
}
