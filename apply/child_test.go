package apply_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply"
)

// TestMain also is the process that tests kill and stop: one deploy.
func TestMain(m *testing.M) {
	if file := os.Getenv("APPLY_TEST_DEPLOY"); file != "" {
		os.Exit(deployFromFile(file))
	}
	os.Exit(m.Run())
}

// childDeploy is what a deploy in a process of its own does.
type childDeploy struct {
	Kubeconfig string
	Owner      apply.Owner
	Units      []apply.Unit
	Rollback   *childRollback // instead of a deploy
	Delete     bool           // all, instead of a deploy
	TakeOver   bool           // what belongs to another project
	Lease      time.Duration  // 0 is the usual
	StopAt     int            // before its n-th writing request the process says so, and waits for SIGCONT
}

type childRollback struct {
	Units    []string
	To       int
	DeployID string
}

func (d childDeploy) run(c *apply.Client, sink func(apply.Event)) (*apply.Result, error) {
	if r := d.Rollback; r != nil {
		return c.Rollback(context.Background(), apply.RollbackRequest{Units: r.Units, To: r.To, DeployID: r.DeployID}, sink)
	}
	if d.Delete {
		return c.Delete(context.Background(), apply.DeleteRequest{}, sink)
	}
	return c.Deploy(context.Background(), apply.Request{Units: d.Units, TakeOver: d.TakeOver}, sink)
}

// How the child exits.
const (
	childDone   = 0
	childBroken = 1 // the test is wrong
	childLost   = 3 // LockLostError
	childFailed = 4
)

func deployFromFile(file string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return childBroken
	}
	var d childDeploy
	if err := yaml.Unmarshal(data, &d); err != nil {
		return childBroken
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig)
	if err != nil {
		return childBroken
	}
	if d.StopAt > 0 {
		cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &atWrite{next: next, n: int64(d.StopAt), do: func() {
				continued := make(chan os.Signal, 1)
				signal.Notify(continued, syscall.SIGCONT)
				os.Stdout.WriteString("stopping\n")
				<-continued
			}}
		})
	}
	c, err := apply.New(cfg, d.Owner)
	if err != nil {
		return childBroken
	}
	if d.Lease > 0 {
		c.SetLease(d.Lease)
	}
	res, err := d.run(c, func(ev apply.Event) {
		os.Stdout.WriteString(string(ev.Kind) + "\n")
	})
	os.Stdout.WriteString("outcome " + string(res.Outcome) + "\n")
	if err != nil {
		os.Stdout.WriteString(strings.ReplaceAll(err.Error(), "\n", " ") + "\n")
	}
	switch {
	case err == nil:
		return childDone
	case isLost(err):
		return childLost
	}
	return childFailed
}

// atWrite calls do at the n-th request that writes: before it is sent, or after
// it was answered.
type atWrite struct {
	next  http.RoundTripper
	seen  atomic.Int64
	n     int64
	after bool
	do    func()
}

func (a *atWrite) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet || req.URL.Query().Has("dryRun") || strings.Contains(req.URL.Path, "/authorization.k8s.io/") {
		return a.next.RoundTrip(req)
	}
	n := a.seen.Add(1)
	if n == a.n && !a.after {
		a.do()
	}
	res, err := a.next.RoundTrip(req)
	if n == a.n && a.after {
		a.do()
	}
	return res, err
}

// child is a running deploy of another process.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	said  []string
}

func (e *env) child(d childDeploy) *child {
	e.Helper()
	d.Kubeconfig, d.Owner = e.kubeconfig, e.owner
	data, err := yaml.Marshal(d)
	check(e.T, err)
	file := e.TempDir() + "/deploy.yaml"
	check(e.T, os.WriteFile(file, data, 0o600))
	cmd := exec.CommandContext(e.ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "APPLY_TEST_DEPLOY="+file)
	out, err := cmd.StdoutPipe()
	check(e.T, err)
	check(e.T, cmd.Start())
	return &child{cmd: cmd, lines: bufio.NewScanner(out)}
}

// until reads what the child says until it says line, or ends.
func (c *child) until(line string) bool {
	for c.lines.Scan() {
		c.said = append(c.said, c.lines.Text())
		if c.lines.Text() == line {
			return true
		}
	}
	return false
}

// wait returns the exit code, -1 when it was killed.
func (c *child) wait() int {
	c.until("")
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}
