package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// hangs is longer than any run may take.
const hangs = 5 * time.Minute

// run is one run of shipit behind a proxy of its own.
type run struct {
	proxy *faultproxy.Proxy

	mu     sync.Mutex
	cmd    *exec.Cmd // nil until it runs
	timers []*time.Timer

	args []string
	code int // -1 when it was killed
	hung bool
	said string // on the standard error
	took time.Duration
	json *ending // what -o json printed, nil when nothing
}

// ending is what -o json says.
type ending struct {
	Outcome  string `json:"outcome"`
	Services []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
		Release int    `json:"release"`
	} `json:"services"`
}

func (r *run) signal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.cmd.Process.Signal(s)
}

func (r *run) kill() { r.signal(syscall.SIGKILL) }
func (r *run) stop() { r.signal(syscall.SIGTERM) }

func (r *run) later(d time.Duration, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timers = append(r.timers, time.AfterFunc(d, do))
}

// shipit runs the program in the lane's project; breaks, if any, is a fault for it.
func (l *lane) shipit(t *testing.T, breaks func(r *run), args ...string) *run {
	t.Helper()
	proxy, err := faultproxy.New(l.cfg)
	check(t, err)
	defer proxy.Close()
	r := &run{proxy: proxy, args: args}
	kubeconfig := filepath.Join(l.dir, "kubeconfig")
	check(t, os.WriteFile(kubeconfig, proxy.Kubeconfig("chaos"), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.program, append(args, "-o", "json")...)
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "SHIPIT_NAMESPACE="+l.namespace, "HOME="+l.home, "NO_COLOR=1")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	r.mu.Lock() // whoever kills waits until it runs
	if breaks != nil {
		breaks(r)
	}
	start := time.Now()
	r.cmd = cmd
	err = cmd.Start()
	r.mu.Unlock()
	check(t, err)
	_ = cmd.Wait()
	r.took, r.code, r.hung = time.Since(start), cmd.ProcessState.ExitCode(), ctx.Err() != nil
	for _, timer := range r.timers {
		timer.Stop()
	}
	check(t, proxy.Clear())
	r.said = said.String()
	var e ending
	if json.Unmarshal(out.Bytes(), &e) == nil && e.Outcome != "" {
		r.json = &e
	}
	return r
}

// lines are the requests of the run, for who looks into a case.
func (r *run) lines() string {
	var out []string
	for _, q := range r.proxy.Requests() {
		out = append(out, strings.TrimSpace(q.String()+" "+q.Fault))
	}
	return strings.Join(out, "\n")
}

// broke reports whether any request met the fault.
func (r *run) broke() bool {
	return slices.ContainsFunc(r.proxy.Requests(), func(q faultproxy.Request) bool { return q.Fault != "" })
}

// onTheWayBack reports whether the fault struck when the run had begun to put back what
// it had written: it lists what there is again.
func (r *run) onTheWayBack() bool {
	wrote, back := false, false
	for _, q := range r.proxy.Requests() {
		wrote = wrote || faultproxy.Writes(q) && q.Verb == "patch"
		back = back || wrote && q.Verb == "list" && q.Resource == "configmaps"
		if q.Fault != "" {
			return back
		}
	}
	return false
}

// sentences are how each outcome is told at the end; of the others nothing is.
var sentences = map[string][]string{
	"rolled-back": {"what was there before is back and healthy"},
	"removed":     {"what it had made is removed"},
	"failed":      {"was left as it is", "not everything is back", "not everything was removed"},
	"interrupted": {"was stopped half-way"},
}

// told returns the outcomes that the standard error tells of.
func (r *run) told() []string {
	var out []string
	for outcome, phrases := range sentences {
		if slices.ContainsFunc(phrases, func(phrase string) bool { return strings.Contains(r.said, phrase) }) {
			out = append(out, outcome)
		}
	}
	return out
}

// untruths are in what the run said of how it ended, compared with the releases that
// the index has now.
func (r *run) untruths(now map[string]int) []string {
	if r.json == nil {
		return nil
	}
	var wrong []string
	codes := map[string]int{"unchanged": 0, "deployed": 0, "rolled-back": 4, "removed": 4, "failed": 5, "refused": 1, "interrupted": 1}
	if r.args[0] == "delete" {
		codes["removed"] = 0
	}
	if want, ok := codes[r.json.Outcome]; !ok || r.code != want && r.code >= 0 {
		wrong = append(wrong, "outcome "+r.json.Outcome+" with exit code "+itoa(r.code))
	}
	var want []string
	if sentences[r.json.Outcome] != nil && (r.json.Outcome != "removed" || r.args[0] != "delete") {
		want = []string{r.json.Outcome}
	}
	if told := r.told(); r.code >= 0 && !slices.Equal(told, want) {
		wrong = append(wrong, fmt.Sprintf("outcome %s, and it tells of %q", r.json.Outcome, told))
	}
	if r.json.Outcome == "interrupted" || r.json.Outcome == "refused" {
		return wrong
	}
	for _, s := range r.json.Services {
		if r.args[0] != "delete" && now[s.Name] != s.Release {
			wrong = append(wrong, "it says that "+s.Name+" is at release "+itoa(s.Release)+", and the index "+itoa(now[s.Name]))
		}
	}
	return wrong
}
