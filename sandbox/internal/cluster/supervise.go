package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// How components are started again.
const (
	steady      = 30 * time.Second       // who ran for that long has not failed to start
	mostTries   = 8                      // starts in a row that fail; then it is left to the next up
	lookEvery   = time.Second            // for what somebody else may have started
	healthEvery = 500 * time.Millisecond // of what a component needs, before it is started again
)

// supervisor is the process that starts components again which end. It starts last, and adopts what runs.
func (c *Cluster) supervisor() component {
	return component{
		name: supervisorName, onHost: true,
		args:    []string{c.layout.Name, c.layout.ID, c.layout.Base, c.layout.Home, c.layout.Run},
		healthy: func(context.Context) error { return nil },
	}
}

// SuperviseMain is the supervisor as a component. Its arguments are the sandbox's layout.
func SuperviseMain(args []string, path string, log io.Writer) int {
	if len(args) != 5 {
		fmt.Fprintln(log, "supervisor: want five arguments, NAME, ID, BASE, HOME and RUN")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	l := layout.Layout{Name: args[0], ID: args[1], Base: args[2], Home: args[3], Run: args[4]}
	if err := supervise(ctx, l, path, log); err != nil {
		fmt.Fprintln(log, "supervisor:", err)
		return 1
	}
	return 0
}

// supervise starts the components of a sandbox again when they end, until the context or the sandbox does.
func supervise(ctx context.Context, l layout.Layout, path string, log io.Writer) error {
	c, err := Open(l, path)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.settings.Node {
		if c.tools, err = findTools(path); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &supervisor{c: c, log: log, kept: readKept(c.keptFile()), end: cancel, pauses: usualPauses()}
	var wg sync.WaitGroup
	for _, comp := range c.components() {
		if comp.name != supervisorName {
			wg.Go(func() { s.keep(ctx, comp) })
		}
	}
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// kept is what the supervisor knows of a component, in a file for whoever asks for the status.
type kept struct {
	Restarts int  `json:"restarts"`
	GaveUp   bool `json:"gaveUp,omitempty"`
	// Waits names what must be healthy before it is started again.
	Waits string `json:"waits,omitempty"`
}

// absent says why a component does not run.
func (k kept) absent() string {
	switch {
	case k.GaveUp:
		return fmt.Sprintf("not running: it ended %d times at its start, and is not started again before the next up", mostTries)
	case k.Waits != "":
		return "not running: it is started again when " + k.Waits + " is healthy"
	}
	return "not running"
}

func (c *Cluster) keptFile() string { return filepath.Join(c.layout.Run, "supervisor.json") }

// readKept returns what is known of each component; of a sandbox that has no supervisor, nothing.
func readKept(path string) map[string]kept {
	known := map[string]kept{}
	if data, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(data, &known)
	}
	return known
}

// pauses are those before a restart: each failure doubles them.
type pauses struct{ first, longest time.Duration }

func (p pauses) after(failures int) time.Duration { return min(p.first<<failures, p.longest) }

func usualPauses() pauses { return pauses{first: 250 * time.Millisecond, longest: 10 * time.Second} }

// supervisor holds what the goroutines of its components share.
type supervisor struct {
	c      *Cluster
	end    context.CancelCauseFunc
	pauses pauses

	mu   sync.Mutex
	log  io.Writer
	kept map[string]kept
}

func (s *supervisor) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.log, "%s "+format+"\n", append([]any{time.Now().UTC().Format(time.RFC3339)}, args...)...)
}

// note changes what is known of a component.
func (s *supervisor) note(name string, change func(*kept)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[name]
	was := k
	change(&k)
	if k == was {
		return
	}
	s.kept[name] = k
	if data, err := json.Marshal(s.kept); err == nil {
		_ = writeFile(s.c.keptFile(), data) // without it, only the status says less
	}
}

// keep waits for the end of a component and starts it again, again and again.
func (s *supervisor) keep(ctx context.Context, comp component) {
	failures := 0
	for ctx.Err() == nil {
		if process, err := s.c.running(comp.name); err == nil {
			s.note(comp.name, func(k *kept) { k.GaveUp, k.Waits = false, "" })
			began := time.Now()
			if process.Wait(ctx) != nil {
				return
			}
			if time.Since(began) >= steady {
				failures = 0
			}
		}
		if failures == mostTries {
			s.giveUp(ctx, comp)
			failures = 0
			continue
		}
		if !pause(ctx, s.pauses.after(failures)) || !s.awaitNeeds(ctx, comp) {
			return
		}
		failures++
		if err := s.startAgain(ctx, comp); err != nil {
			s.say("%s could not be started: %v", comp.name, err)
		}
	}
}

// giveUp leaves a component to whoever repairs its cause, and returns when it runs again.
func (s *supervisor) giveUp(ctx context.Context, comp component) {
	s.note(comp.name, func(k *kept) { k.GaveUp = true })
	s.say("%s ended %d times at its start, and is not started again: see %s, mend its cause, and run shipit sandbox up %s",
		comp.name, mostTries, s.c.layout.Log(comp.name), s.c.layout.Name)
	for {
		if _, err := s.c.running(comp.name); err == nil || !pause(ctx, lookEvery) {
			return
		}
	}
}

// needs names what must work before a component can start: without it, a start would count as its failure.
func needs(name string) []string {
	switch name {
	case apiServerName:
		return []string{etcdName}
	case controllerManagerName, schedulerName, proxyName, dnsName, provisionerName, metricsName:
		return []string{apiServerName}
	case kubeletName:
		return []string{apiServerName, containerdName}
	}
	return nil
}

// awaitNeeds returns true when all that a component needs is healthy, however long that takes.
func (s *supervisor) awaitNeeds(ctx context.Context, comp component) bool {
	wanted := needs(comp.name)
	for _, other := range s.c.components() {
		for _, name := range wanted {
			if other.name != name {
				continue
			}
			for s.unhealthy(ctx, other) {
				s.note(comp.name, func(k *kept) { k.Waits = name })
				if !pause(ctx, healthEvery) {
					return false
				}
			}
		}
	}
	return ctx.Err() == nil
}

func (s *supervisor) unhealthy(ctx context.Context, comp component) bool {
	if _, err := s.c.running(comp.name); err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return comp.healthy(ctx) != nil
}

// errRemoved says that somebody removed the sandbox's files.
var errRemoved = errors.New("the sandbox is gone")

// startAgain starts a component unless somebody else did. Commands on the sandbox have their turn first: up starts what is
// missing, down ends this process too.
func (s *supervisor) startAgain(ctx context.Context, comp component) error {
	if !exists(s.c.layout.Settings()) {
		s.end(errRemoved)
		return errRemoved
	}
	held, err := lock(ctx, s.c.layout)
	if err != nil {
		return err
	}
	defer held.Close()
	if _, err := s.c.running(comp.name); err == nil {
		return nil
	}
	// The log that says why it ended is kept.
	log, err := os.OpenFile(s.c.layout.Log(comp.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.note(comp.name, func(k *kept) { k.Restarts++; k.Waits = "" })
	s.say("%s ended, and is started again", comp.name)
	fmt.Fprintf(log, "shipit-sandbox: %s ended, and is started again at %s\n", comp.name, time.Now().UTC().Format(time.RFC3339))
	spawn := func() error { return s.c.spawnWith(comp, log) }
	if comp.onHost {
		return spawn()
	}
	return s.c.ns.Do(spawn)
}

// pause waits, and returns false when the context ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
