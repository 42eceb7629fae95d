package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/apply"
)

// Kind and time decide what a signal means.
func TestInterrupts(t *testing.T) {
	t.Parallel()
	type signal struct {
		at   time.Duration
		sig  os.Signal
		want verdict
	}
	const ms, s = time.Millisecond, time.Second
	for name, signals := range map[string][]signal{
		"timeout signals the process and its group": {{0, syscall.SIGTERM, stopNow}, {ms, syscall.SIGTERM, sameAgain}},
		"a runner sends to the group twice":         {{0, os.Interrupt, stopNow}, {100 * ms, os.Interrupt, sameAgain}, {1900 * ms, os.Interrupt, sameAgain}},
		"SIGINT and SIGTERM at once":                {{0, os.Interrupt, stopNow}, {ms, syscall.SIGTERM, sameAgain}, {2 * ms, os.Interrupt, sameAgain}},
		"CI cancels":                                {{0, os.Interrupt, stopNow}, {7500 * ms, syscall.SIGTERM, hurried}, {7501 * ms, syscall.SIGTERM, sameAgain}},
		"CI cancels, each delivered twice":          {{0, os.Interrupt, stopNow}, {ms, os.Interrupt, sameAgain}, {7500 * ms, syscall.SIGTERM, hurried}, {7600 * ms, syscall.SIGTERM, sameAgain}},
		"a person interrupts again":                 {{0, os.Interrupt, stopNow}, {5 * s, os.Interrupt, leaveNow}},
		"a person leans on Ctrl-C":                  {{0, os.Interrupt, stopNow}, {s, os.Interrupt, sameAgain}, {2 * s, os.Interrupt, leaveNow}},
		"a person after a runner":                   {{0, syscall.SIGTERM, stopNow}, {5 * s, os.Interrupt, leaveNow}},
		"a person kills again":                      {{0, syscall.SIGTERM, stopNow}, {ms, syscall.SIGTERM, sameAgain}, {5 * s, syscall.SIGTERM, leaveNow}},
		"a person kills again after CI":             {{0, os.Interrupt, stopNow}, {7500 * ms, syscall.SIGTERM, hurried}, {10 * s, syscall.SIGTERM, leaveNow}},
		"a session ends":                            {{0, syscall.SIGHUP, stopNow}, {ms, syscall.SIGTERM, sameAgain}, {9 * s, syscall.SIGHUP, sameAgain}},
	} {
		var seen interrupts
		start := time.Now()
		for i, sig := range signals {
			if got := seen.take(sig.sig, start.Add(sig.at)); got != sig.want {
				t.Errorf("%s: signal %d (%v after %v) is %v, want %v", name, i+1, sig.sig, sig.at, got, sig.want)
			}
		}
	}
}

// Whoever does not read holds nobody, and gets all in the end.
func TestOutletHoldsNobody(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	o := newOutlet(w)
	for range 1000 {
		if _, err := o.Write([]byte("line\n")); err != nil { // nobody reads yet
			t.Fatal(err)
		}
	}
	read := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		read <- string(data)
	}()
	o.drain()
	_ = w.Close()
	if got := <-read; got != strings.Repeat("line\n", 1000) {
		t.Errorf("%d bytes arrived, want 5000", len(got))
	}

	r, w = io.Pipe()
	_ = r.Close()
	o = newOutlet(w)
	for range 10 {
		if _, err := o.Write([]byte("line\n")); err != nil {
			t.Errorf("a reader that is gone is told to who writes: %v", err)
		}
	}
	o.drain()
}

// A result that was not printed is an error of a command that has nothing else.
func TestWritten(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	s := streams{err: &said, session: &session{}}
	var lost, gone error = syscall.ENOSPC, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	for _, tt := range []struct {
		code     int
		lost     error
		survives bool
		want     int
	}{
		{exitDone, nil, false, exitDone},
		{exitDone, lost, false, exitError},
		{exitDone, gone, false, exitError},
		{exitChanges, lost, false, exitError},
		{exitInvalid, lost, false, exitInvalid},
		{exitDone, gone, true, exitDone},
		{exitDone, lost, true, exitError},
		{exitRolledBack, lost, true, exitRolledBack},
	} {
		s.session.survives = tt.survives
		if got := s.written(tt.code, tt.lost); got != tt.want {
			t.Errorf("written(%d, %v), surviving %v: %d, want %d", tt.code, tt.lost, tt.survives, got, tt.want)
		}
	}
	if !strings.Contains(said.String(), "no space left") {
		t.Errorf("it says %q", &said)
	}
}

// A warning says why, once.
func TestWarningsHaveAReason(t *testing.T) {
	t.Parallel()
	call := &apply.CallError{Unit: "web", Why: "there is no app billing"}
	for _, tt := range []struct {
		event apply.Event
		want  string
	}{
		{apply.Event{Message: "the lock could not be released", Err: errors.New("connection refused")}, "warning: the lock could not be released: connection refused\n"},
		{apply.Event{Unit: "web", Message: "no way back", Err: errors.New("it is gone")}, "warning: web: no way back: it is gone\n"},
		{apply.Event{Message: "not checked quotas: forbidden", Err: errors.New("forbidden")}, "warning: not checked quotas: forbidden\n"},
		{apply.Event{Unit: "web", Message: call.Why, Err: call}, "warning: web: there is no app billing\n"},
		{apply.Event{Message: "deprecated"}, "warning: deprecated\n"},
	} {
		var out bytes.Buffer
		tt.event.Kind = apply.EventWarning
		newProgress(streams{err: &out}, testApp(), deploying).event(tt.event)
		if out.String() != tt.want {
			t.Errorf("it prints %q, want %q", out.String(), tt.want)
		}
	}
}
