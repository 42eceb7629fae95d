// Command app is the program of the test image. It serves HTTP on :8080 and does
// what its environment says, so that one image can be every kind of release.
//
//	/app WORD     says the word and exits with 1
//	EXIT=3       writes two lines and exits with 3 at once
//	WRITE=/data/x writes that file, and exits with 1 when it cannot
//	HANGS=/data/x writes that file and does not serve, where it is not there yet
//	SLOW=40s     waits so long first
//	DIES="a\nb"   writes that, and exits with 1
//	ENDS=3s      ends well after that time, if it is let
//	UNREADY=503  /readyz answers 503
//	LISTEN=:8081  serves there
//	SAY=100       writes so many long lines first
//	UNAUTHORIZED=1 answers /v2/ with 401, as a registry without credentials does
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 { // as a probe
		fmt.Print(strings.Join(os.Args[1:], " "))
		os.Exit(1)
	}
	fmt.Println("starting version", os.Getenv("VERSION"))
	if code, err := strconv.Atoi(os.Getenv("EXIT")); err == nil {
		fmt.Println("fatal: told to exit with", code)
		os.Exit(code)
	}
	if said := os.Getenv("DIES"); said != "" {
		fmt.Println(said)
		os.Exit(1)
	}
	if d, err := time.ParseDuration(os.Getenv("SLOW")); err == nil {
		time.Sleep(d)
	}
	if d, err := time.ParseDuration(os.Getenv("ENDS")); err == nil {
		time.Sleep(d)
		fmt.Println("ended")
		return
	}
	if file := os.Getenv("WRITE"); file != "" {
		if err := os.WriteFile(file, []byte("written"), 0o600); err != nil {
			fmt.Println("fatal:", err)
			os.Exit(1)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	if file := os.Getenv("HANGS"); file != "" {
		if f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = f.Close()
			fmt.Println("hangs: told to, in its first run")
			<-ctx.Done()
			return
		}
	}
	if n, err := strconv.Atoi(os.Getenv("SAY")); err == nil {
		for i := range n {
			fmt.Println("line", i, strings.Repeat("x", 2000), "end")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if code, err := strconv.Atoi(os.Getenv("UNREADY")); err == nil {
			fmt.Println("not ready: told to be so")
			w.WriteHeader(code)
		}
	})
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("UNAUTHORIZED") != "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "version", os.Getenv("VERSION")) })
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), ":8080"), Handler: mux}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		stop()
		fmt.Println("fatal:", err)
		os.Exit(1)
	}
}
