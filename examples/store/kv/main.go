// Kv is one part of the store: keys and their values, in a file. Of which part a
// key is, its hash says; who is asked for a key of another part passes it on.
//
//	GET, PUT, DELETE /keys/{key}  a value
//	GET  /all                     everything, as JSON
//	PUT  /all                     replaces everything
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const file = "/data/keys.json"

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("fatal: ", err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	parts, err := strconv.Atoi(os.Getenv("PARTS"))
	if err != nil {
		return err
	}
	s := &store{keys: map[string]string{}}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s.keys)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading what was kept: %w", err)
	}
	server := &http.Server{Addr: ":8080", Handler: passOn(parts, s.routes()), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// passOn has a key answered by its part; what has no key is for this one.
func passOn(parts int, here http.Handler) http.Handler {
	own, _ := os.Hostname()
	mux := http.NewServeMux()
	mux.Handle("/", here)
	mux.HandleFunc("/keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		hash := fnv.New32a()
		_, _ = io.WriteString(hash, r.PathValue("key"))
		pod := fmt.Sprintf("kv-%d", hash.Sum32()%uint32(parts))
		if pod == own {
			here.ServeHTTP(w, r)
			return
		}
		to := &url.URL{Scheme: "http", Host: pod + ".kv-headless:" + os.Getenv("KV_PORT")}
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
	})
	return mux
}

type store struct {
	mu   sync.Mutex
	keys map[string]string
}

func (s *store) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		value, ok := s.keys[r.PathValue("key")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, value)
	})
	mux.HandleFunc("PUT /keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.change(w, r, func(body []byte) error { s.keys[r.PathValue("key")] = string(body); return nil })
	})
	mux.HandleFunc("DELETE /keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.change(w, r, func([]byte) error { delete(s.keys, r.PathValue("key")); return nil })
	})
	mux.HandleFunc("GET /all", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.keys)
	})
	mux.HandleFunc("PUT /all", func(w http.ResponseWriter, r *http.Request) {
		s.change(w, r, func(body []byte) error {
			all := map[string]string{}
			err := json.Unmarshal(body, &all)
			if err == nil {
				s.keys = all
			}
			return err
		})
	})
	return mux
}

// change answers when the change is in the file, which is replaced whole. One that
// is not stays in memory, and is in the file with the next.
func (s *store) change(w http.ResponseWriter, r *http.Request, make func(body []byte) error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = make(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.save(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *store) save() error {
	data, err := json.Marshal(s.keys)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
