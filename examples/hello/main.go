// Hello is a small web server that shows what shipit expects of a service: it
// listens where its port says, tells when it is ready and alive, logs to the
// standard error, and ends in good order when it is asked to.
//
// It can also be broken on purpose, to see what a failed deploy looks like:
//
//	HELLO_CRASH=why    log why and exit with code 1
//	HELLO_UNREADY=why  never become ready, and tell why
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("fatal: ", err)
	}
}

func run() error {
	if why := os.Getenv("HELLO_CRASH"); why != "" {
		return errors.New(why)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return serve(ctx, ":8080")
}

// serve answers on addr until ctx ends, then finishes the requests it has.
func serve(ctx context.Context, addr string) error {
	server := &http.Server{
		Addr:              addr,
		Handler:           handler(os.Getenv("GREETING"), os.Getenv("HELLO_UNREADY")),
		ReadHeaderTimeout: 5 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Print("listening on ", addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Print("shutting down")
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler greets at /, and answers the probes at /readyz and /livez. A reason
// in unready keeps it from being ready.
func handler(greeting, unready string) http.Handler {
	if greeting == "" {
		greeting = "Hello"
	}
	pod, err := os.Hostname()
	if err != nil {
		pod = "an unknown pod"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s from %s\n", greeting, pod)
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if unready != "" {
			http.Error(w, unready, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
