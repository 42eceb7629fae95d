package apply

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// Only the kernel's word that there is no such process, on surely the same
// machine, or another process that has its pid, makes one dead.
func TestProcessSeenFrom(t *testing.T) {
	t.Parallel()
	here := process{Machine: "boot/pid:[1]", PID: 1, Start: "10", Host: "runner"}
	holder := process{Machine: here.Machine, PID: 7, Start: "20", Host: "runner"}
	other := func(change func(*process)) process {
		p := holder
		change(&p)
		return p
	}
	hidden := errors.New("hidden")
	tests := []struct {
		name    string
		of      process
		signal  error
		start   string
		state   string
		statErr error
		want    liveness
	}{
		{name: "runs", of: holder, start: "20", state: "S", want: alive},
		{name: "another user's", of: holder, signal: syscall.EPERM, start: "20", state: "S", want: alive},
		{name: "another user's, hidden", of: holder, signal: syscall.EPERM, statErr: os.ErrNotExist, want: unknownLiveness},
		{name: "another user's, unreadable", of: holder, signal: syscall.EPERM, statErr: hidden, want: unknownLiveness},
		{name: "not there", of: holder, signal: os.ErrProcessDone, statErr: os.ErrNotExist, want: dead},
		{name: "not there, as the file of another namespace's", of: holder, signal: os.ErrProcessDone, start: "20", state: "S", want: dead},
		{name: "its pid used again", of: holder, start: "21", state: "S", want: dead},
		{name: "its pid used again by another user", of: holder, signal: syscall.EPERM, start: "21", state: "S", want: dead},
		{name: "a zombie", of: holder, start: "20", state: "Z", want: dead},
		{name: "stopped", of: holder, start: "20", state: "T", want: unknownLiveness},
		{name: "signals do not work", of: holder, signal: errors.ErrUnsupported, start: "20", state: "S", want: unknownLiveness},
		{name: "another container", of: other(func(p *process) { p.Machine = "boot/pid:[2]" }), signal: os.ErrProcessDone, want: unknownLiveness},
		{name: "another boot", of: other(func(p *process) { p.Machine = "again/pid:[1]" }), signal: os.ErrProcessDone, want: unknownLiveness},
		{name: "a machine of the same snapshot", of: other(func(p *process) { p.Host = "clone" }), signal: os.ErrProcessDone, want: unknownLiveness},
		{name: "written by an older shipit", of: other(func(p *process) { p.Host = "" }), signal: os.ErrProcessDone, want: dead},
		{name: "nothing is known", of: process{}, signal: os.ErrProcessDone, want: unknownLiveness},
		{name: "every process", of: other(func(p *process) { p.PID = -1 }), signal: os.ErrProcessDone, want: unknownLiveness},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.of.seenFrom(here, func(int) error { return tt.signal }, func(int) (string, string, error) { return tt.start, tt.state, tt.statErr })
			if got != tt.want {
				t.Errorf("liveness %d, want %d", got, tt.want)
			}
		})
	}
}

// What an older shipit wrote of a process is read, and the other way round.
func TestProcessIsParsed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]process{
		"boot/pid:[1] 7 20":        {Machine: "boot/pid:[1]", PID: 7, Start: "20"},
		"boot/pid:[1] 7 20 runner": {Machine: "boot/pid:[1]", PID: 7, Start: "20", Host: "runner"},
		"boot/pid:[1] x 20":        {},
		"boot/pid:[1] 7":           {},
		"":                         {},
	} {
		if got := parseProcess(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
	var older process
	if _, err := fmt.Sscanf("boot/pid:[1] 7 20 runner", "%s %d %s", &older.Machine, &older.PID, &older.Start); err != nil || older.Start != "20" {
		t.Errorf("an older shipit reads %+v, %v", older, err)
	}
}
