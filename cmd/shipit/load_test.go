package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A steady load on a Service, from beginning to end of what a script does
// between `load start FILE` and `load stop`.
type steadyLoad struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []string
}

// load asks the URL in FILE again and again, each time over a new connection,
// from several clients at once: `load start FILE`. `load stop` ends it and
// prints how many requests there were and how many failed.
func load(ts *testscript.TestScript, neg bool, args []string) {
	values := ts.Value(loadKey{}).(*steadyLoad)
	switch {
	case !neg && len(args) == 2 && args[0] == "start":
		values.start(strings.TrimSpace(ts.ReadFile(args[1])))
	case !neg && len(args) == 1 && args[0] == "stop":
		values.end()
		fmt.Fprintf(ts.Stdout(), "%d requests, %d failed\n", values.requests, len(values.failures))
		for _, f := range values.failures {
			fmt.Fprintln(ts.Stdout(), f)
		}
	default:
		ts.Fatalf("usage: load start FILE | load stop")
	}
}

type loadKey struct{}

func (l *steadyLoad) start(url string) {
	l.stop = make(chan struct{})
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 4 {
		l.wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-tick.C:
				}
				l.count(get(client, url))
			}
		})
	}
}

func (l *steadyLoad) count(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s %v", time.Now().Format(time.StampMilli), err))
	}
}

// end stops the load, if it runs.
func (l *steadyLoad) end() {
	if l.stop != nil {
		close(l.stop)
		l.wg.Wait()
		l.stop = nil
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
