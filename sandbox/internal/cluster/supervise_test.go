package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
	"github.com/shipit-dev/shipit/sandbox/internal/proc"
)

// supervised is a supervisor without a cluster, whose components are small programs.
type supervised struct {
	*supervisor
	log bytes.Buffer
	dir string
}

func newSupervised(t *testing.T) *supervised {
	t.Helper()
	dir := t.TempDir()
	l := layout.Layout{Name: "test", ID: "test-" + filepath.Base(dir), Base: dir, Home: filepath.Join(dir, "home"), Run: filepath.Join(dir, "run")}
	for _, folder := range []string{l.Home, l.Run, filepath.Dir(l.Log("x"))} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Settings{}).write(l.Settings()); err != nil {
		t.Fatal(err)
	}
	s := &supervised{dir: dir}
	s.supervisor = &supervisor{
		c: newCluster(l, Settings{}, os.Getenv("PATH")), log: &s.log, kept: map[string]kept{},
		end: func(error) {}, pauses: pauses{first: time.Millisecond, longest: 5 * time.Millisecond},
	}
	return s
}

// supervise keeps a component until the test ends, and kills it then.
func (s *supervised) supervise(t *testing.T, comp component) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.keep(ctx, comp) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if process, err := s.c.running(comp.name); err == nil {
			_ = proc.Kill(context.Background(), process)
		}
	})
}

// said is what the supervisor has logged.
func (s *supervised) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// await waits until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

// A component that ends is started again, its log goes on, and the status counts it.
func TestStartedAgain(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	comp := component{name: "lasting", program: "/bin/sh", args: []string{"-c", "echo here; exec sleep 1000"}}
	if err := s.c.start(comp); err != nil {
		t.Fatal(err)
	}
	s.supervise(t, comp)
	first, err := s.c.running(comp.name)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "it has written its log", func() bool { return strings.Contains(readLog(t, s.c.layout.Log(comp.name)), "here") })
	if err := proc.Kill(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	await(t, "another one runs", func() bool {
		now, err := s.c.running(comp.name)
		return err == nil && now != first
	})
	await(t, "the log goes on", func() bool {
		log := readLog(t, s.c.layout.Log(comp.name))
		return strings.Count(log, "here\n") == 2 && strings.Contains(log, "lasting ended, and is started again")
	})
	if k := readKept(s.c.keptFile())[comp.name]; k.Restarts != 1 || k.GaveUp {
		t.Errorf("the status has %+v", k)
	}
	if !strings.Contains(s.said(), "lasting ended, and is started again") {
		t.Errorf("its own log says %q", s.said())
	}
}

// One that cannot start is given up, loudly; who starts it has it supervised again.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	mended := filepath.Join(s.dir, "mended")
	comp := component{name: "broken", program: "/bin/sh", args: []string{"-c", "echo tried; test -e " + mended + " && exec sleep 1000"}}
	s.supervise(t, comp)
	await(t, "it is given up", func() bool { return strings.Contains(s.said(), "is not started again") })
	if k := readKept(s.c.keptFile())[comp.name]; k.Restarts != mostTries || !strings.Contains(k.absent(), "before the next up") {
		t.Errorf("the status has %+v", k)
	}
	if got := strings.Count(readLog(t, s.c.layout.Log(comp.name)), "tried\n"); got != mostTries {
		t.Errorf("it was started %d times, want %d", got, mostTries)
	}
	if err := os.WriteFile(mended, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.c.start(comp); err != nil { // as up does
		t.Fatal(err)
	}
	await(t, "it is adopted", func() bool { return !readKept(s.c.keptFile())[comp.name].GaveUp })
	process, err := s.c.running(comp.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := proc.Kill(t.Context(), process); err != nil {
		t.Fatal(err)
	}
	await(t, "it is started again", func() bool {
		now, err := s.c.running(comp.name)
		return err == nil && now != process
	})
}

// A sandbox whose files somebody removed is not made again.
func TestNotStartedInNothing(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	ended := make(chan error, mostTries)
	s.end = func(err error) { ended <- err }
	if err := os.RemoveAll(s.c.layout.Home); err != nil {
		t.Fatal(err)
	}
	s.supervise(t, component{name: "orphan", program: "/bin/sh", args: []string{"-c", "exec sleep 1000"}})
	if err := <-ended; !errors.Is(err, errRemoved) {
		t.Errorf("it ends for %v", err)
	}
	if exists(s.c.layout.Home) {
		t.Error("the folder was made again")
	}
}

func readLog(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}
