package apply

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// process identifies a running process of this machine, so that a lock whose
// holder is dead can be taken at once. Machine is the kernel's boot id with the
// pid namespace: two containers on one host do not see each other's pids. Host
// tells apart machines that were started from one snapshot, whose boot id is the
// same. Where /proc is not there, all is empty and locks are judged by time alone.
type process struct {
	Machine string
	PID     int
	Start   string // start time in clock ticks since boot: a pid is used again
	Host    string // "" in what an older shipit wrote
}

func thisProcess() process {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return process{}
	}
	start, _, err := statOf("self")
	if err != nil {
		return process{}
	}
	host, _ := os.Hostname()
	return process{Machine: strings.TrimSpace(string(boot)) + "/" + ns, PID: os.Getpid(), Start: start, Host: host}
}

// String returns what parseProcess reads.
func (p process) String() string {
	if p.Machine == "" {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s %s", p.Machine, p.PID, p.Start, p.Host))
}

func parseProcess(s string) process {
	fields := strings.Fields(s)
	if len(fields) < 3 {
		return process{}
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return process{}
	}
	p := process{Machine: fields[0], PID: pid, Start: fields[2]}
	if len(fields) > 3 {
		p.Host = fields[3]
	}
	return p
}

// liveness is what can be said of a process from here.
type liveness int

const (
	unknownLiveness liveness = iota // only its Lease shows
	alive
	dead
)

func (p process) liveness() liveness {
	return p.seenFrom(thisProcess(), signalled, startOf)
}

// seenFrom judges p from the process here. The kernel alone knows that a process
// is not there: /proc hides those of other users where it is mounted with
// hidepid, as it is on many CI runners. Who has that pid now, its start time
// tells; where that cannot be read, the process may be p or another one.
func (p process) seenFrom(here process, signalled func(pid int) error, startOf func(pid int) (start, state string, err error)) liveness {
	elsewhere := p.Machine != here.Machine || p.Host != "" && here.Host != "" && p.Host != here.Host
	if p.Machine == "" || p.PID <= 0 || elsewhere {
		return unknownLiveness
	}
	switch err := signalled(p.PID); {
	case errors.Is(err, os.ErrProcessDone):
		return dead
	case err != nil && !errors.Is(err, os.ErrPermission):
		return unknownLiveness
	}
	start, state, err := startOf(p.PID)
	switch {
	case err != nil:
		return unknownLiveness
	case start != p.Start, state == "Z", state == "X":
		return dead
	case state == "T", state == "t":
		return unknownLiveness // stopped: whether for good, its Lease shows
	}
	return alive
}

// signalled sends no signal, and returns os.ErrProcessDone when there is no such
// process in this pid namespace, and os.ErrPermission when it is another user's.
func signalled(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	return p.Signal(syscall.Signal(0))
}

// startOf reads when a process of this pid namespace was started, and its state.
func startOf(pid int) (start, state string, err error) {
	// A container may have the /proc of its host, where pids are others.
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return "", "", fmt.Errorf("/proc is of another pid namespace")
	}
	return statOf(strconv.Itoa(pid))
}

// statOf reads fields 22 and 3 of proc_pid_stat(5). The second field, the
// command in parentheses, may itself contain spaces.
func statOf(pid string) (start, state string, err error) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", "", err
	}
	i := strings.LastIndex(string(data), ") ")
	if i < 0 {
		return "", "", fmt.Errorf("/proc/%s/stat: unexpected format", pid)
	}
	fields := strings.Fields(string(data)[i+2:])
	if len(fields) < 20 {
		return "", "", fmt.Errorf("/proc/%s/stat: unexpected format", pid)
	}
	return fields[19], fields[0], nil
}
