package kit

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is one service: what it answers, when it is ready, and what it does
// besides.
type Server struct {
	*Env
	mux      *http.ServeMux
	checks   []func(context.Context) error
	workers  []func(context.Context) error
	stopping atomic.Bool
	unready  atomic.Value // why it was not ready when it was last asked; "" when it was
}

// NewServer gives a Server that only answers about its health.
func NewServer() *Server {
	s := &Server{Env: &Env{}, mux: http.NewServeMux()}
	// Whether the process should be restarted. It depends on nobody else: to
	// restart a service because another one is down would only spread the trouble.
	s.Handle("GET /livez", func(*http.Request) (any, error) { return "ok", nil })
	s.Handle("GET /readyz", s.ready)
	return s
}

// A Handler gives what is answered as JSON, or an error: an *Error is told as
// it is, of any other only that there was one.
type Handler func(*http.Request) (any, error)

// Handle answers the requests of a pattern as in http.ServeMux: with status 204
// when there is nothing to tell, 201 to a POST, which in this shop always makes
// something, and else 200.
func (s *Server) Handle(pattern string, h Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		switch answer, err := h(r); {
		case err != nil:
			writeError(w, r, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost:
			writeJSON(w, http.StatusCreated, answer)
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// HandleHTTP is Handle for what is not JSON.
func (s *Server) HandleHTTP(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// ReadyWhen makes the service ready only while check gives no error.
func (s *Server) ReadyWhen(check func(context.Context) error) { s.checks = append(s.checks, check) }

// Go runs worker beside the server. It must end when its context does; an error
// ends the service, to be started again.
func (s *Server) Go(worker func(context.Context) error) { s.workers = append(s.workers, worker) }

// ready tells Kubernetes, and when it changes also the log: there it is looked
// for when a rollout does not go on.
func (s *Server) ready(r *http.Request) (any, error) {
	why := s.whyUnready(r.Context())
	if before, _ := s.unready.Swap(why).(string); before != why {
		if why == "" {
			slog.Info("ready")
		} else {
			slog.Warn("not ready", "why", why)
		}
	}
	if why != "" {
		return nil, Errorf(http.StatusServiceUnavailable, "%s", why)
	}
	return "ok", nil
}

func (s *Server) whyUnready(ctx context.Context) string {
	if s.stopping.Load() {
		return "stopping"
	}
	for _, check := range s.checks {
		if err := check(ctx); err != nil {
			return err.Error()
		}
	}
	return ""
}

// serve answers at LISTEN (default :8080) until ctx ends, and then stops in good
// order. shipit has Kubernetes wait before that, until nobody opens new
// connections to this pod; those that are open are asked to go elsewhere for as
// long as SHOP_DRAIN says, and only then closed, so that no request is lost.
func (s *Server) serve(ctx context.Context, name string) error {
	drain, err := time.ParseDuration(cmp.Or(os.Getenv("SHOP_DRAIN"), "1s"))
	if err != nil {
		return fmt.Errorf("SHOP_DRAIN: %w", err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), ":8080"))
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * clientIdle, // the client lets go first: it never writes to a closed connection
	}
	failed := make(chan error, 1+len(s.workers))
	go func() { failed <- server.Serve(listener) }()
	slog.Info("listening", "service", name, "addr", listener.Addr().String())

	var workers sync.WaitGroup
	for _, work := range s.workers {
		workers.Go(func() {
			if err := work(ctx); err != nil {
				failed <- err
			}
		})
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping", "service", name)
	s.stopping.Store(true)
	time.Sleep(drain)
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	workers.Wait()
	return err
}

// ServeHTTP gives every request an ID, which the services it leads to log too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() {
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
		s.mux.ServeHTTP(w, r)
		return
	}
	id := r.Header.Get(requestHeader)
	if len(id) == 0 || len(id) > 64 {
		id = NewID()
	}
	r = r.WithContext(WithRequest(r.Context(), id))
	w.Header().Set(requestHeader, id)
	start, seen := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
	s.mux.ServeHTTP(seen, r)
	Log(r.Context()).Info(r.Method+" "+r.URL.Path, "status", seen.status, "took", time.Since(start).Round(time.Microsecond))
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

const requestHeader = "X-Request-Id"

type requestKey struct{}

// WithRequest gives ctx the ID of the request that it is worked for.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// Request is the ID of the request that ctx is worked for; "" when there is none.
func Request(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// Log is the logger for the request that ctx is worked for.
func Log(ctx context.Context) *slog.Logger {
	if id := Request(ctx); id != "" {
		return slog.With("request", id)
	}
	return slog.Default()
}

// NewID gives an ID that nobody can guess, of 16 a-z and 2-7.
func NewID() string { return strings.ToLower(rand.Text()[:16]) }
