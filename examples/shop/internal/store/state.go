package store

import (
	"slices"
	"time"

	"example.com/shop/internal/kit"
)

// state is what a log says, read from its start to its end, and who has a lease
// of what.
type state struct {
	seq     uint64
	buckets map[string]map[string]Entry
	queues  map[string][]*queued // oldest first
}

type queued struct {
	Message
	until time.Time // the end of its lease
}

// commit is one line of the log.
type commit struct {
	Seq uint64 `json:"seq"`
	Ops []Op   `json:"ops,omitempty"`
}

// allows reports whether the condition of an Op holds.
func (s *state) allows(op Op, now time.Time) bool {
	switch op.Do {
	case "ack":
		i := s.find(op.In, op.Key)
		return i >= 0 && s.queues[op.In][i].Lease == op.Lease && now.Before(s.queues[op.In][i].until)
	case "put", "delete":
		return op.If == nil || s.buckets[op.In][op.Key].Version == *op.If
	default:
		return true
	}
}

// apply makes the changes of a commit, whose conditions have held.
func (s *state) apply(c commit) {
	s.seq = c.Seq
	for _, op := range c.Ops {
		switch op.Do {
		case "put":
			if s.buckets[op.In] == nil {
				s.buckets[op.In] = map[string]Entry{}
			}
			s.buckets[op.In][op.Key] = Entry{Value: op.Value, Version: c.Seq}
		case "delete":
			delete(s.buckets[op.In], op.Key)
		case "push":
			s.queues[op.In] = append(s.queues[op.In], &queued{Message: Message{ID: op.Key, Value: op.Value, Request: op.Request}})
		case "ack":
			if i := s.find(op.In, op.Key); i >= 0 {
				s.queues[op.In] = slices.Delete(s.queues[op.In], i, i+1)
			}
		}
	}
}

// commits gives the shortest log that leads to this state.
func (s *state) commits(yield func(commit) bool) {
	for bucket, entries := range s.buckets {
		for key, entry := range entries {
			if !yield(commit{entry.Version, []Op{{Do: "put", In: bucket, Key: key, Value: entry.Value}}}) {
				return
			}
		}
	}
	for queue, messages := range s.queues {
		for _, m := range messages {
			if !yield(commit{0, []Op{{Do: "push", In: queue, Key: m.ID, Value: m.Value, Request: m.Request}}}) {
				return
			}
		}
	}
	yield(commit{Seq: s.seq}) // so that a version is never given twice
}

func (s *state) find(queue, id string) int {
	return slices.IndexFunc(s.queues[queue], func(m *queued) bool { return m.ID == id })
}

// lease hands out the oldest free message, or says when the next lease expires;
// the zero time when there is none.
func (s *state) lease(queue string, now time.Time, last time.Duration) (*Message, time.Time) {
	var next time.Time
	for _, m := range s.queues[queue] {
		if !now.Before(m.until) {
			m.until, m.Lease = now.Add(last), kit.NewID()
			leased := m.Message
			return &leased, time.Time{}
		}
		if next.IsZero() || m.until.Before(next) {
			next = m.until
		}
	}
	return nil, next
}
