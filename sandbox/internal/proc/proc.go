// Package proc finds and ends the processes of a sandbox. A process is known by its number and its start time together, and
// belongs to a sandbox when its environment carries the sandbox's mark, which its children inherit. Names are never trusted.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MarkVariable is the environment variable whose value is the ID of the sandbox a process belongs to.
const MarkVariable = "SHIPIT_SANDBOX_ID"

// ErrGone says that a process does not exist any more.
var ErrGone = errors.New("process is gone")

// Process is one run of one process: a number that was given to another process since does not match its start time.
type Process struct {
	PID   int
	Start uint64 // clock ticks since boot
}

// Find returns the process with the given number. It returns ErrGone for a missing or a dead one that nobody reaped yet.
func Find(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, ErrGone
	}
	// The second field is the command in parentheses and may hold anything, so count from its end (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return Process{}, ErrGone
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Process{}, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	return Process{PID: pid, Start: start}, nil
}

// Alive says whether this very process still runs.
func (p Process) Alive() bool {
	now, err := Find(p.PID)
	return err == nil && now.Start == p.Start
}

// Marked returns the processes that carry the mark of a sandbox, this process excepted.
func Marked(id string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	mark := []byte(MarkVariable + "=" + id)
	var found []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil || !hasVariable(environ, mark) {
			continue // gone meanwhile, or another user's, which is never ours
		}
		if p, err := Find(pid); err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

func hasVariable(environ, variable []byte) bool {
	for _, v := range bytes.Split(environ, []byte{0}) {
		if bytes.Equal(v, variable) {
			return true
		}
	}
	return false
}

// Kill ends the processes with SIGKILL and returns when every one of them has exited. A process that was replaced by another
// one under the same number is left alone.
func Kill(ctx context.Context, processes ...Process) error {
	killed := map[Process]int{} // to descriptors
	defer func() {
		for _, fd := range killed {
			_ = unix.Close(fd)
		}
	}()
	for _, p := range processes {
		fd, err := unix.PidfdOpen(p.PID, 0)
		if err != nil {
			continue // it is gone
		}
		if !p.Alive() { // asked after the descriptor was opened: from here on it cannot mean another process
			_ = unix.Close(fd)
			continue
		}
		killed[p] = fd
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("killing process %d: %w", p.PID, err)
		}
	}
	for p, fd := range killed {
		if err := waitExit(ctx, fd, 100*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for killed process %d: %w", p.PID, err)
		}
	}
	return nil
}

// Wait returns when the process has exited, or nearly a second after the context ended. The process may be anybody's child.
func (p Process) Wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return nil // it is gone
	}
	defer func() { _ = unix.Close(fd) }()
	if !p.Alive() { // asked after the descriptor was opened: from here on it cannot mean another process
		return nil
	}
	return waitExit(ctx, fd, time.Second)
}

// waitExit waits until a process descriptor is readable, which it becomes when its process has exited (pidfd_open(2)).
// step is how late a cancelled context may be noticed.
func waitExit(ctx context.Context, fd int, step time.Duration) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(step/time.Millisecond))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Write records a process in a file that Read understands.
func (p Process) Write(path string) error {
	return os.WriteFile(path, fmt.Appendf(nil, "%d %d\n", p.PID, p.Start), 0o600)
}

// Read returns the process recorded in a file, or ErrGone when there is no such file or the process does not run any more.
func Read(path string) (Process, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Process{}, ErrGone
	}
	var p Process
	if _, err := fmt.Sscanf(string(data), "%d %d", &p.PID, &p.Start); err != nil || !p.Alive() {
		return Process{}, ErrGone
	}
	return p, nil
}
