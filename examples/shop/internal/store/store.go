// Package store is where the shop keeps its data, and both ends of the wire to
// it: the server's (Store, Routes) and that of the services (Client).
//
// Data are values by key in buckets, and messages in queues. The only change is
// a commit: some changes of buckets and queues that happen together or not at
// all, and are on the disk before they are answered. So a service that stores
// its work and acknowledges the message that asked for it in one commit can be
// killed at any moment.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/shop/internal/kit"
)

// Op is one change of a commit.
type Op struct {
	Do      string          `json:"do"`                // put, delete, push or ack
	In      string          `json:"in"`                // the bucket, or the queue
	Key     string          `json:"key,omitempty"`     // in the bucket; the ID of the message to acknowledge
	Value   json.RawMessage `json:"value,omitempty"`   // to put or push
	If      *uint64         `json:"if,omitempty"`      // put and delete: the version that the key must have; 0: it must not be there
	Lease   string          `json:"lease,omitempty"`   // ack: the lease of the message
	Request string          `json:"request,omitempty"` // push: the request that the message is worked for
}

// Entry is a value with its version, which grows with every change.
type Entry struct {
	Value   json.RawMessage `json:"value"`
	Version uint64          `json:"version"`
}

// Message is something to do, leased to one consumer.
type Message struct {
	ID      string          `json:"id"`
	Value   json.RawMessage `json:"value"`
	Request string          `json:"request,omitempty"`
	Lease   string          `json:"lease"`
}

// ErrConflict is a commit whose conditions do not hold (any more): a key has
// another version, or a message is leased to somebody else.
var ErrConflict = errors.New("somebody else was faster")

// Store holds everything in memory and every change in a log. Its methods may
// be called at once. There must be one Store per directory: that is what a
// StatefulSet of one replica is for.
type Store struct {
	mu      sync.Mutex // held while the disk is written: nobody sees what may yet be lost
	state   state
	log     *journal
	broken  error
	failed  chan error
	arrived chan struct{} // closed when a message comes
}

// Open reads the log in dir, which is made if it is not there.
func Open(dir string) (*Store, error) {
	s := &Store{
		state:   state{buckets: map[string]map[string]Entry{}, queues: map[string][]*queued{}},
		failed:  make(chan error, 1),
		arrived: make(chan struct{}),
	}
	var err error
	s.log, err = openJournal(dir, &s.state)
	return s, err
}

// Close ends the Store: nothing can be committed after that.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = errors.New("the store is closed")
	}
	return s.log.close()
}

// Failed gives the error after which nothing can be committed: a log that could
// not be written. What it holds then only a new Open can tell.
func (s *Store) Failed() <-chan error { return s.failed }

// Get gives the value of a key; version 0 is none.
func (s *Store) Get(bucket, key string) Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.buckets[bucket][key]
}

// List gives the keys of a bucket that start with prefix.
func (s *Store) List(bucket, prefix string) map[string]Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := maps.Clone(s.state.buckets[bucket])
	maps.DeleteFunc(found, func(key string, _ Entry) bool { return !strings.HasPrefix(key, prefix) })
	return found
}

// Commit makes all the changes, or none and gives ErrConflict.
func (s *Store) Commit(ops []Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	for _, op := range ops {
		if !s.state.allows(op, time.Now()) {
			return ErrConflict
		}
	}
	c := commit{Seq: s.state.seq + 1, Ops: slices.Clone(ops)}
	pushed := false
	for i, op := range c.Ops {
		if op.Do == "push" {
			c.Ops[i].Key = fmt.Sprintf("%d.%d", c.Seq, i)
			pushed = true
		}
	}
	if err := s.log.append(c); err != nil {
		s.broken = fmt.Errorf("the log cannot be written: %w", err)
		s.failed <- s.broken
		return s.broken
	}
	s.state.apply(c)
	if pushed {
		close(s.arrived)
		s.arrived = make(chan struct{})
	}
	return nil
}

// Lease hands out the oldest message of a queue that nobody has a lease of, and
// waits for one until ctx ends; then there is none. Who does not acknowledge it
// in time loses it to the next. Leases are not in the log: a restart ends them,
// and what was worked on is handed out again.
func (s *Store) Lease(ctx context.Context, queue string, last time.Duration) *Message {
	for {
		s.mu.Lock()
		message, expiry := s.state.lease(queue, time.Now(), last)
		arrived := s.arrived
		s.mu.Unlock()
		if message != nil {
			return message
		}
		expired, stop := after(expiry)
		select {
		case <-ctx.Done():
		case <-arrived:
		case <-expired:
		}
		stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// after tells when t has come; never for the zero time.
func after(t time.Time) (<-chan time.Time, func() bool) {
	if t.IsZero() {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(time.Until(t))
	return timer.C, timer.Stop
}

var keyForm = regexp.MustCompile(`^[a-z0-9]+([-./][a-z0-9]+)*$`)

// check tells what is wrong with an Op whatever the Store holds.
func (op Op) check() error {
	switch {
	case op.Do != "put" && op.Do != "delete" && op.Do != "push" && op.Do != "ack":
		return kit.Errorf(400, "do is %q: it must be put, delete, push or ack", op.Do)
	case !keyForm.MatchString(op.In) || !keyForm.MatchString(op.Key) && op.Do != "push":
		return kit.Errorf(400, "a change needs a place (in) and a key, of a-z, 0-9, -, . and /")
	case (op.Do == "put" || op.Do == "push") && len(op.Value) == 0:
		return kit.Errorf(400, "a %s needs a value", op.Do)
	}
	return nil
}
