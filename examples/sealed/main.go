// Sealed gives out tickets, signed with the key of its environment, and checks them.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// password opens the report; it is a file, so that no child process inherits it.
const password = "/run/report/password"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	key := []byte(os.Getenv("SIGNING_KEY"))
	if len(key) < 16 {
		log.Fatal("fatal: SIGNING_KEY is missing, or too short to sign with")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /tickets/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, sign(key, r.PathValue("name")))
	})
	mux.HandleFunc("POST /tickets/{ticket}", func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.PathValue("ticket"), ".")
		if !hmac.Equal([]byte(sign(key, name)), []byte(r.PathValue("ticket"))) {
			http.Error(w, "not one of "+os.Getenv("REALM"), http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "welcome to "+os.Getenv("REALM")+",", name)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		want, err := os.ReadFile(password)
		_, got, _ := r.BasicAuth()
		if err != nil || subtle.ConstantTimeCompare(want, []byte(got)) != 1 {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "all is well")
	})
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
	}()
	err := server.ListenAndServe()
	stop()
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal("fatal: ", err)
	}
}

// sign makes the ticket of a name.
func sign(key []byte, name string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	return name + "." + hex.EncodeToString(mac.Sum(nil))
}
