package kit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestAServiceThatIsJustStartingIsWaitedFor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `"here"`) }))
	defer server.Close()
	dials := 0
	defer func(usual *http.Transport) { transport = usual }(transport)
	transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials++; dials < attempts {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	var answer string
	if err := NewClient("late", server.URL).Do(t.Context(), http.MethodPost, "/", nil, &answer); err != nil || answer != "here" {
		t.Errorf("after %d attempts: %q, %v", dials, answer, err)
	}
}

// hangUp answers nothing, and counts how often it was asked.
func hangUp(t *testing.T, asked *atomic.Int32) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestOnlyWhatDoesNoHarmIsSentTwice(t *testing.T) {
	for method, want := range map[string]int32{http.MethodGet: attempts, http.MethodPut: attempts, http.MethodPost: 1} {
		var asked atomic.Int32
		err := NewClient("broken", hangUp(t, &asked)).Do(t.Context(), method, "/", nil, nil)
		if StatusOf(err) != http.StatusServiceUnavailable || !strings.HasPrefix(err.Error(), "broken does not answer: ") {
			t.Errorf("%s: %v", method, err)
		}
		if asked.Load() != want {
			t.Errorf("%s: sent %d times, want %d", method, asked.Load(), want)
		}
	}
}

func TestACallEndsInTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	err := NewClient("slow", server.URL).Within(50*time.Millisecond).Get(t.Context(), "/", nil)
	if StatusOf(err) != http.StatusServiceUnavailable || err.Error() != "slow does not answer: it takes too long" {
		t.Error(err)
	}
}

func TestErrorsAcrossServices(t *testing.T) {
	s := NewServer()
	s.Handle("GET /known", func(*http.Request) (any, error) { return nil, Errorf(http.StatusConflict, "too late") })
	s.Handle("GET /secret", func(*http.Request) (any, error) { return nil, errors.New("the password is 1234") })
	server := httptest.NewServer(s)
	defer server.Close()
	c := NewClient("other", server.URL)
	if err := c.Get(t.Context(), "/known", nil); StatusOf(err) != http.StatusConflict || err.Error() != "too late" {
		t.Errorf("known: %v", err)
	}
	ctx := WithRequest(t.Context(), "r1")
	want := "other does not work: something went wrong here; the log of request r1 has more"
	if err := c.Get(ctx, "/secret", nil); StatusOf(err) != http.StatusServiceUnavailable || err.Error() != want {
		t.Errorf("secret: %v", err)
	}
}

// start serves s as Main does, until stop is called, which gives serve's error.
func start(t *testing.T, s *Server) (url string, stop context.CancelFunc, ended chan error) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	t.Setenv("LISTEN", addr)
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- s.serve(ctx, "test") }()
	return "http://" + addr, stop, ended
}

func TestAServerThatStopsLosesNoRequest(t *testing.T) {
	t.Setenv("SHOP_DRAIN", "0s")
	s := NewServer()
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Handle("GET /slow", func(*http.Request) (any, error) {
		close(entered)
		<-leave
		return "whole", nil
	})
	worked := make(chan struct{})
	s.Go(func(ctx context.Context) error { <-ctx.Done(); close(worked); return nil })
	url, stop, ended := start(t, s)
	answered := make(chan error, 1)
	go func() {
		var answer string
		err := NewClient("test", url).Get(context.Background(), "/slow", &answer)
		if err == nil && answer != "whole" {
			err = errors.New(answer)
		}
		answered <- err
	}()
	<-entered
	stop()
	<-worked
	close(leave)
	if err := <-answered; err != nil {
		t.Errorf("the request that was there: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestWhileItStopsAServerSendsItsCallersAway(t *testing.T) {
	s := NewServer()
	s.Handle("GET /", func(*http.Request) (any, error) { return "still here", nil })
	s.stopping.Store(true)
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Connection") != "close" {
		t.Errorf("status %d, headers %v", answer.Code, answer.Header())
	}
	answer = httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("it is ready: %d", answer.Code)
	}
}

func TestReadiness(t *testing.T) {
	s := NewServer()
	var cause error
	s.ReadyWhen(func(context.Context) error { return cause })
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	for _, step := range []struct {
		cause error
		says  string
		logs  string // what is new in the log
	}{
		{errors.New("no store"), `{"error":"no store"}`, `msg="not ready" why="no store"`},
		{errors.New("no store"), `{"error":"no store"}`, ""},
		{nil, `"ok"`, "msg=ready"},
		{nil, `"ok"`, ""},
	} {
		cause = step.cause
		log.Reset()
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if got := strings.TrimSpace(answer.Body.String()); got != step.says || (answer.Code == http.StatusOK) != (step.cause == nil) {
			t.Errorf("%v: %d %s", step.cause, answer.Code, got)
		}
		if (step.logs == "") != (log.Len() == 0) || !strings.Contains(log.String(), step.logs) {
			t.Errorf("%v: the log says %q, want %q", step.cause, log.String(), step.logs)
		}
	}
}

func TestAWorkerThatFailsEndsTheService(t *testing.T) {
	s := NewServer()
	broken := errors.New("the disk is gone")
	s.Go(func(context.Context) error { return broken })
	_, stop, ended := start(t, s)
	defer stop()
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("serve: %v", err)
	}
}

func TestAllThatIsMissingIsNamed(t *testing.T) {
	t.Setenv("GIVEN", " value\n")
	var env Env
	if got := env.Get("GIVEN"); got != "value" {
		t.Errorf("GIVEN is %q", got)
	}
	env.Get("SIGNING_KEY")
	env.Client("catalog")
	if err := env.err(); err == nil || err.Error() != "not set in the environment: SIGNING_KEY, CATALOG_URL" {
		t.Error(err)
	}
}

func TestBreaking(t *testing.T) {
	for value, want := range map[string][2]string{
		"":                  {"", ""},
		"crash: no license": {"", "no license"},
		"unready: cold":     {"cold", ""},
		"unready":           {"SHOP_BREAK asked for it", ""},
		"slowly":            {"", `SHOP_BREAK is "slowly": it must be "crash: why" or "unready: why"`},
	} {
		t.Setenv("SHOP_BREAK", value)
		unready, err := broken()
		if err == nil {
			err = errors.New("")
		}
		if got := [2]string{unready, err.Error()}; got != want {
			t.Errorf("%q gives %q", value, got)
		}
	}
}
