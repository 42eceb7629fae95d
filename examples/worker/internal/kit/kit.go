// Package kit is what the programs share: how they start and stop, and the queue
// as they see it.
package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"
)

// Job is something to be done.
type Job struct {
	ID   int    `json:"id"`
	What string `json:"what"`
}

// Main runs a program until it ends, or is told to by SIGTERM.
func Main(run func(ctx context.Context) error) {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal("fatal: ", err)
	}
}

// Serve answers on :8080 until ctx ends, then finishes the requests it has.
func Serve(ctx context.Context, handler http.Handler) error {
	server := &http.Server{Addr: ":8080", Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Call asks the queue at url; the answer's JSON is read into a value unless that
// is nil. It reports whether there was an answer to read.
func Call(ctx context.Context, method, url string, body string, into any) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode >= 300:
		return false, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
	case resp.StatusCode == http.StatusNoContent || into == nil:
		return false, nil
	}
	return true, json.Unmarshal(answer, into)
}
