// Package storetest runs a store for the tests of the services: the real one,
// on a directory of the test's, answering over HTTP.
package storetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

// Store is a running store.
type Store struct {
	t      *testing.T
	dir    string
	url    string
	data   *store.Store
	server atomic.Pointer[kit.Server]
	tokens store.Tokens
}

// New starts a store that knows the given services, until the test ends.
func New(t *testing.T, services ...string) *Store {
	t.Helper()
	s := &Store{t: t, dir: t.TempDir(), tokens: store.Tokens{}}
	for _, name := range services {
		s.tokens[name] = "the-token-of-" + name
	}
	s.start()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.server.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		web.Close()
		s.close()
	})
	s.url = web.URL
	return s
}

// Client is the store as a service sees it.
func (s *Store) Client(service string) *store.Client {
	return store.NewClient(service, kit.NewClient("store", s.url).As(s.tokens[service]))
}

// Restart ends the store as a crash does and starts it again: every lease is
// over.
func (s *Store) Restart() {
	s.t.Helper()
	s.close()
	s.start()
}

func (s *Store) close() {
	if err := s.data.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *Store) start() {
	s.t.Helper()
	data, err := store.Open(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	server := kit.NewServer()
	data.Routes(context.Background(), server, s.tokens)
	s.data = data
	s.server.Store(server)
}

// Waiting takes all messages of a service's queue and gives their values.
func (s *Store) Waiting(service string) []string {
	s.t.Helper()
	var values []string
	done, cancel := context.WithCancel(context.Background())
	cancel() // takes what is there and waits for nothing
	for m := s.data.Lease(done, service, leaseForEver); m != nil; m = s.data.Lease(done, service, leaseForEver) {
		values = append(values, string(m.Value))
	}
	return values
}

const leaseForEver = 1 << 62
