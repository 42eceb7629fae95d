// Package e2e tests the sandbox as its users have it: the program is a black box, run with arguments and judged by what it
// prints and by what runs on the machine. SHIPIT_SANDBOX names the program; SHIPIT_REQUIRE_NODE=1 forbids to skip.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// base holds the sandboxes of this run.
var base string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if base, err = os.MkdirTemp("", "sandbox-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(base)
	defer func() { // whatever a failed test has left
		names, _ := filepath.Glob(filepath.Join(base, "*", "sandbox.json"))
		for _, name := range names {
			name = filepath.Base(filepath.Dir(name))
			if out, err := command(context.Background(), "down", name).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "down %s: %v\n%s", name, err, out)
			}
		}
	}()
	return m.Run()
}

// program is the sandbox's, or "" when it was not built.
func program() string {
	if path := os.Getenv("SHIPIT_SANDBOX"); path != "" {
		return path
	}
	path, err := filepath.Abs("../../bin/shipit-sandbox")
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program(), args...)
	cmd.Env = append(os.Environ(), "SHIPIT_SANDBOX_HOME="+base)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// needProgram skips a test, or fails it where skipping is forbidden.
func needProgram(t *testing.T) {
	t.Helper()
	if program() == "" {
		unavailable(t, "the sandbox's program is not built: make sandbox")
	}
}

func needNode(t *testing.T) {
	t.Helper()
	needProgram(t)
	if os.Geteuid() != 0 {
		unavailable(t, "a node needs root")
	}
	if _, err := exec.LookPath("containerd"); err != nil {
		unavailable(t, "a node needs containerd")
	}
}

func unavailable(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// result is what one run of the program gave.
type result struct {
	stdout, stderr string
	err            error
	elapsed        time.Duration
}

func sandbox(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, command(context.WithoutCancel(t.Context()), args...)) // cleanups run it, too
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	return result{stdout: stdout.String(), stderr: stderr.String(), err: err, elapsed: time.Since(start)}
}

// must runs the program and returns what it printed; a failure ends the test.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := sandbox(t, args...)
	if r.err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), r.err, r.stderr)
	}
	return r.stdout
}

type status struct {
	Ready      bool
	NodeReady  bool
	Registry   string
	Components []struct {
		Name    string
		PID     int
		Healthy bool
		Problem string

		Restarts int
	}
}

func statusOf(t *testing.T, name string) status {
	t.Helper()
	var s status
	if err := json.Unmarshal([]byte(must(t, "status", name, "-o", "json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s status) pids() map[string]int {
	pids := map[string]int{}
	for _, c := range s.Components {
		pids[c.Name] = c.PID
	}
	return pids
}

// mark is the environment variable that a sandbox's processes carry, taken from one of them.
func (s status) mark(t *testing.T) string {
	t.Helper()
	return markOf(t, s.Components[0].PID)
}

func markOf(t *testing.T, pid int) string {
	t.Helper()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if strings.HasPrefix(variable, "SHIPIT_SANDBOX_ID=") {
			return variable
		}
	}
	t.Fatalf("process %d carries no mark", pid)
	return ""
}

// before is the machine as it was when the first sandbox of this run was about to start.
var before = sync.OnceValues(takeSnapshot)
