package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func commitAll(t *testing.T, s *Store, ops ...Op) {
	t.Helper()
	if err := s.Commit(ops); err != nil {
		t.Fatal(err)
	}
}

func put(key, value string) Op {
	return Op{Do: "put", In: "b", Key: key, Value: mustJSON(value)}
}

func putIf(version uint64, key, value string) Op {
	op := put(key, value)
	op.If = &version
	return op
}

func ack(m *Message) Op { return Op{Do: "ack", In: "q", Key: m.ID, Lease: m.Lease} }

// now takes what is in a queue without waiting for more.
func now(s *Store, lease time.Duration) *Message {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	return s.Lease(done, "q", lease)
}

func TestCommitsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commitAll(t, s, put("kept", "1"), put("gone", "1"), Push("q", "first"))
	commitAll(t, s, put("kept", "2"), Push("q", "second"))
	commitAll(t, s, Op{Do: "delete", In: "b", Key: "gone"})
	before := s.Get("b", "kept")
	s.Close()

	for range 3 { // what is rewritten at every start stays the same
		s = open(t, dir)
		if got := s.Get("b", "kept"); string(got.Value) != `"2"` || got.Version != before.Version {
			t.Fatalf("kept = %s, version %d; want \"2\", %d", got.Value, got.Version, before.Version)
		}
		if got := s.List("b", ""); len(got) != 1 {
			t.Fatalf("the bucket holds %v", got)
		}
		first, second := now(s, time.Hour), now(s, time.Hour)
		if first == nil || second == nil || string(first.Value) != `"first"` || string(second.Value) != `"second"` || first.ID == second.ID {
			t.Fatalf("the queue holds %v, %v", first, second)
		}
		s.Close()
	}
}

func TestNoVersionIsGivenTwice(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commitAll(t, s, put("a", "1"))
	last := s.Get("b", "a").Version
	commitAll(t, s, Op{Do: "delete", In: "b", Key: "a"})
	s.Close()
	s = open(t, dir)
	commitAll(t, s, put("a", "2"))
	if again := s.Get("b", "a").Version; again <= last+1 {
		t.Errorf("version %d after a delete at %d", again, last+1)
	}
}

// A crash may leave any part of the line that was just being written.
func TestACommitThatWasCutOffNeverWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, journalName)
	s := open(t, dir)
	commitAll(t, s, put("a", "1"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commitAll(t, s, put("a", "2"), Push("q", "x"))
	s.Close()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tails := map[string][]byte{
		"zeros":       append(bytes.Clone(whole), make([]byte, 100)...),
		"zeros, line": append(append(bytes.Clone(whole), make([]byte, 100)...), '\n'),
	}
	for n := len(whole); n < len(all); n++ {
		tails[fmt.Sprintf("%d bytes", n-len(whole))] = all[:n]
	}
	for name, content := range tails {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if got := s.Get("b", "a"); string(got.Value) != `"1"` {
			t.Errorf("%s: a = %s", name, got.Value)
		}
		if m := now(s, time.Hour); m != nil {
			t.Errorf("%s: half of a commit is there: %s", name, m.Value)
		}
		commitAll(t, s, put("a", "3"))
		s.Close()
		if got := open(t, dir).Get("b", "a"); string(got.Value) != `"3"` {
			t.Errorf("%s: what was stored after the crash is %s", name, got.Value)
		}
	}
}

func TestADamagedLogIsNotTakenForACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commitAll(t, s, put("a", "1"))
	commitAll(t, s, put("a", "2"))
	s.Close()
	path := filepath.Join(dir, journalName)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.Replace(content, []byte(`"1"`), []byte(`"7"`), 1)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "log:2: the line is damaged") {
		t.Errorf("opening a damaged log: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
		t.Error("the damaged log was touched", err)
	}
}

func TestACommitIsAllOrNothing(t *testing.T) {
	s := open(t, t.TempDir())
	commitAll(t, s, putIf(0, "a", "1"))
	version := s.Get("b", "a").Version
	for name, ops := range map[string][]Op{
		"it is there":     {put("other", "x"), putIf(0, "a", "2")},
		"another version": {put("other", "x"), putIf(version+1, "a", "2")},
		"no such message": {put("other", "x"), {Do: "ack", In: "q", Key: "1.1", Lease: "x"}},
	} {
		if err := s.Commit(ops); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.List("b", ""); len(got) != 1 || string(got["a"].Value) != `"1"` {
		t.Errorf("the bucket holds %v", got)
	}
	commitAll(t, s, putIf(version, "a", "2"))
}

func TestALeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		commitAll(t, s, Push("q", "x"))
		first := now(s, 10*time.Second)
		if again := now(s, 10*time.Second); first == nil || again != nil {
			t.Fatalf("taken: %v, and again: %v", first, again)
		}
		start := time.Now()
		second := s.Lease(t.Context(), "q", 10*time.Second) // waits until it is free
		if waited := time.Since(start); second == nil || second.ID != first.ID || waited != 10*time.Second {
			t.Fatalf("after %s: %v, want %s", waited, second, first.ID)
		}
		if err := s.Commit([]Op{put("late", "x"), ack(first)}); !errors.Is(err, ErrConflict) {
			t.Errorf("acknowledging with a lease that has ended: %v", err)
		}
		if got := s.Get("b", "late"); got.Version != 0 {
			t.Error("the work of a lease that has ended was stored")
		}
		commitAll(t, s, put("done", "x"), ack(second))
		time.Sleep(time.Minute) // of the bubble's own time
		if m := now(s, time.Second); m != nil {
			t.Errorf("handed out after its acknowledgement: %v", m)
		}
	})
}

func TestARestartEndsLeases(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commitAll(t, s, Push("q", "x"))
	first := now(s, time.Hour)
	s.Close()
	s = open(t, dir)
	if err := s.Commit([]Op{ack(first)}); !errors.Is(err, ErrConflict) {
		t.Errorf("acknowledging with a lease from before: %v", err)
	}
	if again := now(s, time.Hour); again == nil || again.ID != first.ID {
		t.Errorf("handed out again: %v", again)
	}
}

func TestWhoWaitsGetsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		got := make(chan *Message)
		go func() { got <- s.Lease(t.Context(), "q", time.Second) }()
		synctest.Wait()
		commitAll(t, s, Push("q", "x"))
		if m := <-got; m == nil || string(m.Value) != `"x"` {
			t.Errorf("got %v", m)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if m := s.Lease(ctx, "other", time.Second); m != nil {
			t.Errorf("got %v from an empty queue", m)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	const clients, each = 8, 25
	dir := t.TempDir()
	s := open(t, dir)
	commitAll(t, s, put("count", ""))
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { // adds a letter, and pushes one message for it
			for added := 0; added < each; {
				old := s.Get("b", "count")
				var text string
				if err := json.Unmarshal(old.Value, &text); err != nil {
					t.Error(err)
					return
				}
				switch err := s.Commit([]Op{putIf(old.Version, "count", text+"x"), Push("q", added)}); {
				case err == nil:
					added++
				case !errors.Is(err, ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	var mu sync.Mutex
	worked := map[string]int{}
	ctx, cancel := context.WithCancel(context.Background())
	for range clients {
		all.Go(func() {
			for m := s.Lease(ctx, "q", time.Minute); m != nil; m = s.Lease(ctx, "q", time.Minute) {
				if err := s.Commit([]Op{ack(m)}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				worked[m.ID]++
				if len(worked) == clients*each {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	cancel()
	s.Close()
	s = open(t, dir)
	if got := string(s.Get("b", "count").Value); got != `"`+strings.Repeat("x", clients*each)+`"` {
		t.Errorf("%d of %d additions are there", len(got)-2, clients*each)
	}
	for id, times := range worked {
		if times != 1 {
			t.Errorf("message %s was worked on %d times", id, times)
		}
	}
	if m := now(s, time.Second); m != nil {
		t.Errorf("left over: %v", m)
	}
}

func TestALogThatCannotBeWrittenEndsIt(t *testing.T) {
	s := open(t, t.TempDir())
	commitAll(t, s, put("a", "1"))
	s.log.close() // as a disk that is gone
	first := s.Commit([]Op{put("a", "2")})
	if first == nil || s.Commit([]Op{put("a", "3")}) == nil {
		t.Fatal("a commit that cannot be on the disk was made")
	}
	if got := <-s.Failed(); !errors.Is(got, first) {
		t.Errorf("Failed gives %v, want %v", got, first)
	}
	if got := s.Get("b", "a"); string(got.Value) != `"1"` {
		t.Errorf("a = %s", got.Value)
	}
}

// Whatever is in the file, it is read or refused, and what was read stays.
func FuzzOpen(f *testing.F) {
	f.Add(line(commit{1, []Op{put("a", "1"), Push("q", "x")}}))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err != nil {
			return
		}
		before := s.List("b", "")
		s.Close()
		if after := open(t, dir).List("b", ""); len(after) != len(before) {
			t.Errorf("read %v, and then %v", before, after)
		}
	})
}
