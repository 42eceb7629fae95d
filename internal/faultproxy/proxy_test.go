package faultproxy

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// upstream answers each request with its number; a watch it keeps open, with an event
// at once.
type upstream struct {
	*httptest.Server
	seen atomic.Int32
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := u.seen.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if req.URL.Query().Has("watch") {
			_, _ = fmt.Fprintf(w, "event %d\n", n)
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
			return
		}
		_, _ = fmt.Fprintf(w, "answer %d%s", n, req.Header.Get("Authorization"))
	}))
	t.Cleanup(u.Close)
	return u
}

// through starts a proxy in front of u, and returns a client of it.
func through(t *testing.T, u *upstream) (*Proxy, *http.Client) {
	t.Helper()
	cfg := &rest.Config{Host: u.URL, BearerToken: "mine"}
	cfg.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.Certificate().Raw})
	p, err := New(cfg)
	check(t, err)
	t.Cleanup(p.Close)
	client, err := rest.HTTPClientFor(p.Config())
	check(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return p, client
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask returns what the client sees: "200 answer 1", or an error.
func ask(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, body), err
}

const list = "/api/v1/namespaces/a/pods"

// Each fault is seen by the client, and what is sent on reaches the server.
func TestFaults(t *testing.T) {
	t.Parallel()
	called := false
	do := func() { called = true }
	tests := []struct {
		name   string
		fault  Fault
		sent   int    // requests that reached the server, the usual one before included
		answer string // how it begins; "" is an error
		calls  bool
	}{
		{name: "cut before", fault: CutBefore, sent: 1},
		{name: "cut after", fault: CutAfter, sent: 2},
		{name: "cut midway", fault: CutMidway, sent: 2},
		{name: "reset before", fault: ResetBefore, sent: 1},
		{name: "reset after", fault: ResetAfter, sent: 2},
		{name: "silence", fault: Silence, sent: 1},
		{name: "silence after", fault: SilenceAfter, sent: 2},
		{name: "delay", fault: Delay(time.Millisecond), sent: 2, answer: "200 answer 2"},
		{name: "before", fault: Before(do), sent: 1, calls: true},
		{name: "after", fault: After(do), sent: 2, calls: true},
		{name: "meanwhile", fault: Meanwhile(do), sent: 2, answer: "200 answer 2", calls: true},
		{name: "401", fault: Unauthorized, sent: 1, answer: "401 {"},
		{name: "429", fault: TooMany, sent: 1, answer: "429 {"},
		{name: "500", fault: LeaderLost, sent: 1, answer: "500 {"},
		{name: "503, late", fault: AnswerLate(Unavailable), sent: 2, answer: "503 {"},
		{name: "HTML", fault: HTML(502), sent: 1, answer: "502 <html>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t)
			p, client := through(t, u)
			called = false
			if got, err := ask(t.Context(), client, p.server.URL+list); err != nil || got != "200 answer 1Bearer mine" {
				t.Fatalf("without a fault: %q, %v", got, err)
			}
			rule := p.Add(Rule{Name: tt.name, Match: Of("get", "pods"), Fault: tt.fault})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got, err := ask(ctx, client, p.server.URL+list+"/x")
			if tt.answer == "" && err == nil || tt.answer != "" && !strings.HasPrefix(got, tt.answer) {
				t.Errorf("got %q, %v", got, err)
			}
			if int(u.seen.Load()) != tt.sent || called != tt.calls || rule.Times() != 1 {
				t.Errorf("%d requests were sent on, called %v, fired %d times", u.seen.Load(), called, rule.Times())
			}
			if got, err := ask(t.Context(), client, p.server.URL+list); err != nil || !strings.HasPrefix(got, "200 ") {
				t.Errorf("after the fault: %q, %v", got, err)
			}
			var faults []string
			for _, r := range p.Requests() {
				faults = append(faults, r.Fault)
			}
			if got := strings.Join(faults, ","); got != ","+tt.name+"," {
				t.Errorf("the requests met %s", got)
			}
		})
	}
}

// A stream that is reset ends alone; a connection ends with all that is on it.
func TestResetAndCut(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault Fault
		lives bool
	}{"reset": {ResetBefore, true}, "cut": {CutBefore, false}} {
		t.Run(name, func(t *testing.T) {
			p, client := through(t, newUpstream(t))
			events := watch(t, client, p.server.URL+list+"?watch=true")
			if !events.Scan() {
				t.Fatal("the watch has no event")
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				events.Scan()
			}()
			p.Add(Rule{Match: Not(Watches), Fault: tt.fault})
			if _, err := ask(t.Context(), client, p.server.URL+list); err == nil {
				t.Error("the request was answered")
			}
			select {
			case <-ended:
				if tt.lives {
					t.Error("the watch ended too")
				}
			case <-time.After(map[bool]time.Duration{true: 50 * time.Millisecond, false: 10 * time.Second}[tt.lives]):
				if !tt.lives {
					t.Error("the watch lives on")
				}
			}
		})
	}
}

func watch(t *testing.T, client *http.Client, url string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	check(t, err)
	res, err := client.Do(req)
	check(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.ProtoMajor != 2 {
		t.Fatalf("it speaks %s", res.Proto)
	}
	return bufio.NewScanner(res.Body)
}

func TestWatches(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault Fault
		line  string // the first, "" when it ends without
		open  bool   // it stays open without a line
	}{
		"closed":  {fault: WatchClosed},
		"mute":    {fault: WatchMute, open: true},
		"expired": {fault: WatchExpired, line: `{"type":"ERROR","object":` + expired + "}"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			p, client := through(t, u)
			p.Add(Rule{Match: Watches, Fault: tt.fault})
			events := watch(t, client, p.server.URL+list+"?watch=true")
			line := make(chan string, 1)
			go func() {
				events.Scan()
				line <- events.Text()
			}()
			select {
			case got := <-line:
				if got != tt.line || tt.open {
					t.Errorf("the first line is %q", got)
				}
			case <-time.After(100 * time.Millisecond):
				if !tt.open {
					t.Error("nothing came")
				}
			}
			if u.seen.Load() != 0 {
				t.Error("it was sent on")
			}
		})
	}
}

// From the Nth on, so many, or for so long.
func TestRule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		rule Rule
		want string // which of six requests fail
	}{
		{"the first", Rule{}, "x....."},
		{"the third", Rule{Nth: 3}, "..x..."},
		{"two from the second", Rule{Nth: 2, Times: 2}, ".xx..."},
		{"all from the fourth", Rule{Nth: 4, Times: -1}, "...xxx"},
		{"for a while", Rule{Nth: 2, For: time.Hour}, ".xxxxx"},
		{"for no time", Rule{Nth: 2, For: time.Nanosecond}, ".x...."},
		{"of others", Rule{Match: Writes, Times: -1}, "......"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, client := through(t, newUpstream(t))
			tt.rule.Fault = Unavailable
			p.Add(tt.rule)
			got := ""
			for range 6 {
				answer, err := ask(t.Context(), client, p.server.URL+list)
				check(t, err)
				got += map[bool]string{true: ".", false: "x"}[strings.HasPrefix(answer, "200 ")]
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	p, client := through(t, newUpstream(t))
	for n, want := range []string{"200 answer 1", "200 answer 2", "200 answer 1", "200 answer 3"} {
		if n == 2 {
			p.Add(Rule{Match: Of("list", ""), Fault: p.Stale})
		}
		if got, err := ask(t.Context(), client, p.server.URL+list); err != nil || got != want+"Bearer mine" {
			t.Errorf("got %q, %v; want %s", got, err, want)
		}
	}
}

// A server that is down refuses; one whose packets are lost says nothing, and what was
// asked meanwhile is answered later.
func TestNetwork(t *testing.T) {
	t.Parallel()
	p, client := through(t, newUpstream(t))
	get := func(ctx context.Context) (string, error) { return ask(ctx, client, p.server.URL+list) }
	_, err := get(t.Context())
	check(t, err)
	p.Down()
	_, _ = get(t.Context()) // may still find the connection, and that it ended
	if _, err := get(t.Context()); !utilnet.IsConnectionRefused(err) {
		t.Errorf("down: %v", err)
	}
	check(t, p.Up())
	check(t, p.Up())
	if got, err := get(t.Context()); err != nil || got != "200 answer 2Bearer mine" {
		t.Errorf("up: %q, %v", got, err)
	}
	p.Lose()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lost: %v", err)
	}
	later := make(chan error, 1)
	go func() {
		_, err := get(t.Context())
		later <- err
	}()
	p.Deliver()
	check(t, <-later)
	p.Cut()
	_, _ = get(t.Context())
	if _, err := get(t.Context()); err != nil {
		t.Errorf("after a cut: %v", err)
	}
	p.Lose()
	check(t, p.Clear())
	if _, err := get(t.Context()); err != nil {
		t.Errorf("cleared: %v", err)
	}
}

// Who brings credentials keeps them.
func TestCredentials(t *testing.T) {
	t.Parallel()
	p, _ := through(t, newUpstream(t))
	cfg := p.Config()
	cfg.BearerToken = "other"
	client, err := rest.HTTPClientFor(cfg)
	check(t, err)
	if got, err := ask(t.Context(), client, p.server.URL+list); err != nil || got != "200 answer 1Bearer other" {
		t.Errorf("got %q, %v", got, err)
	}
}
