package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameInterrupt is how long signals count as one: timeout(1) and CI runners signal
// the process and then its group, and a person who presses Ctrl-C presses it twice.
const sameInterrupt = 2 * time.Second

// verdict is what a signal means to what is under way.
type verdict int

const (
	stopNow   verdict = iota // the first: stop cleanly
	sameAgain                // the same one, delivered again
	hurried                  // the same one, of somebody who loses patience: still stopping
	leaveNow                 // another one: leave everything as it is
)

// interrupts tells apart one interrupt that arrives several times and a second one.
type interrupts struct {
	first      time.Time
	terminated time.Time // the last SIGTERM
}

// take judges a signal by its kind and time. A SIGINT long after the first signal is
// a person's. A SIGTERM after a SIGINT is not a second interrupt: CI runners
// cancel with both, some seconds apart, and kill after that. A second SIGTERM is.
func (i *interrupts) take(sig os.Signal, at time.Time) verdict {
	first, terminated := i.first, i.terminated
	if sig == syscall.SIGTERM {
		i.terminated = at
	}
	switch {
	case first.IsZero():
		i.first = at
		return stopNow
	case at.Sub(first) < sameInterrupt:
		return sameAgain
	case sig == os.Interrupt:
		return leaveNow
	case sig == syscall.SIGHUP:
		return sameAgain // a closed terminal asks for nothing
	case terminated.IsZero():
		return hurried
	case at.Sub(terminated) < sameInterrupt:
		return sameAgain
	}
	return leaveNow
}

// session is what the handling of signals knows of the command that runs.
type session struct {
	mu       sync.Mutex
	survives bool
	left     string
	json     bool // a program reads what is printed
}

// survive has the command outlive its streams from now on: a reader that goes away
// (SIGPIPE) and a terminal that is closed (SIGHUP) are no reason to leave a cluster
// half-way. Its writes fail instead.
func (r *session) survive() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.survives {
		// Caught, not ignored: what is ignored is ignored by child processes too.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	r.survives = true
}

func (r *session) surviving() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.survives
}

// leave sets what to say is left if the command is ended at once.
func (r *session) leave(left string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = left
}

// remains says what is left when the command is ended at once.
func (r *session) remains() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == "" {
		return "nothing was changed in a cluster"
	}
	return r.left
}

// signalContext ends with the first interrupt, so that a deploy can put things back;
// a second one ends the process at once.
func signalContext(s streams) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 8)
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(signals, wanted...)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var seen interrupts
		for {
			select {
			case sig := <-signals:
				s.signalled(sig, &seen, cancel)
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel()
	}
}

// signalled does what one signal asks for.
func (s streams) signalled(sig os.Signal, seen *interrupts, cancel func()) {
	if sig == syscall.SIGHUP && s.session.surviving() {
		return
	}
	switch seen.take(sig, time.Now()) {
	case stopNow:
		cancel()
	case hurried:
		go s.warn("%s: still stopping. If this is killed now, %s", signalName(sig), s.session.remains())
	case leaveNow:
		said := make(chan struct{})
		go func() {
			defer close(said)
			s.warn("interrupted again: stopping at once; %s", s.session.remains())
		}()
		select {
		case <-said:
		case <-time.After(time.Second): // nobody reads it
		}
		os.Exit(exitStopped)
	}
}

// signalName is what people call a signal.
func signalName(sig os.Signal) string {
	switch sig {
	case os.Interrupt:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return sig.String()
}
