package apply

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What is not answered ends, as what a network lost; what stays open does.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/half" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		if req.URL.Path != "/answered" {
			<-req.Context().Done()
		}
	}))
	defer server.Close()
	for path, open := range map[string]bool{"/silent": false, "/half": false, "/answered": false, "/pods?watch=true": true, "/pods/web/log": true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		must(t, err)
		client := http.Client{Transport: bounded{server.Client().Transport, 50 * time.Millisecond}}
		res, err := client.Do(req)
		if err == nil {
			_, err = res.Body.Read(make([]byte, 1))
			_ = res.Body.Close()
		}
		switch late := ctx.Err() != nil; {
		case late != open:
			t.Errorf("%s: it ended only with its caller: %v", path, late)
		case path != "/answered" && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%s: %v", path, err)
		case path == "/silent" && !isUnreachable(err):
			t.Errorf("%s: %v is not taken for a network's failure", path, err)
		}
	}
}

// At the end of a command, an answer that is lost leaves time for a second try.
func TestHurry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	defer server.Close()
	ctx, cancel := hurry(t.Context(), 10*time.Minute)
	defer cancel()
	if within, _ := ctx.Value(withinKey{}).(time.Duration); within != 200*time.Second {
		t.Errorf("of ten minutes, one request may take %s", within)
	}
	ctx, cancel = hurry(t.Context(), 9*time.Minute)
	defer cancel()
	ctx = context.WithValue(ctx, withinKey{}, 50*time.Millisecond)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	must(t, err)
	res, err := (&http.Client{Transport: bounded{server.Client().Transport, answerWithin}}).Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if !isUnreachable(err) || ctx.Err() != nil {
		t.Errorf("one silent request: %v; the command: %v", err, ctx.Err())
	}
}
