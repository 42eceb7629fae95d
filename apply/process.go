package apply

import (
	"fmt"
	"os"
	"strings"
)

// process identifies a running process of this machine, so that a lock whose
// holder is dead can be taken at once. Machine is the kernel's boot id with the
// pid namespace: two containers on one host do not see each other's pids.
// Where /proc is not there, all is empty and locks are judged by time alone.
type process struct {
	Machine string
	PID     int
	Start   string // start time in clock ticks since boot: a pid is used again
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
	p := process{Machine: strings.TrimSpace(string(boot)) + "/" + ns, PID: os.Getpid()}
	p.Start, _, _ = startOf(p.PID)
	return p
}

// String gives what parseProcess reads.
func (p process) String() string {
	if p.Machine == "" {
		return ""
	}
	return fmt.Sprintf("%s %d %s", p.Machine, p.PID, p.Start)
}

func parseProcess(s string) process {
	var p process
	if _, err := fmt.Sscanf(s, "%s %d %s", &p.Machine, &p.PID, &p.Start); err != nil {
		return process{}
	}
	return p
}

// liveness is what can be said of a process from here.
type liveness int

const (
	unknownLiveness liveness = iota // it runs elsewhere
	alive
	dead
)

func (p process) liveness() liveness {
	here := thisProcess()
	if p.Machine == "" || p.Machine != here.Machine {
		return unknownLiveness
	}
	start, state, err := startOf(p.PID)
	switch {
	case os.IsNotExist(err), err == nil && (start != p.Start || state == "Z" || state == "X"):
		return dead
	case err != nil, state == "T", state == "t":
		return unknownLiveness // stopped: whether for good, its Lease tells
	}
	return alive
}

// startOf reads fields 22 and 3 of proc_pid_stat(5). The second field, the
// command in parentheses, may itself contain spaces.
func startOf(pid int) (start, state string, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", err
	}
	_, rest, ok := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", "", fmt.Errorf("/proc/%d/stat: unexpected format", pid)
	}
	return fields[19], fields[0], nil
}
