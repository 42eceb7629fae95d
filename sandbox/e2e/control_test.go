package e2e

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestControlPlaneOnly(t *testing.T) {
	needProgram(t)
	const name = "control"
	t.Cleanup(func() { must(t, "down", name) })
	r := sandbox(t, "up", name, "--control-plane-only")
	if r.err != nil {
		t.Fatalf("up: %v\n%s", r.err, r.stderr)
	}
	t.Logf("up: %.1fs", r.elapsed.Seconds())
	if !strings.Contains(r.stderr, "no node") {
		t.Errorf("up does not say that there is no node:\n%s", r.stderr)
	}
	c := connect(t, name)
	version, err := c.Discovery().ServerVersion()
	if err != nil || !strings.HasPrefix(version.GitVersion, "v1.") {
		t.Errorf("version: %v, %v", version, err)
	}
	if _, err := c.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	intruder := c
	intruder.password = "guessed"
	if _, err := intruder.push(t); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("whoever may push: %v", err)
	}
	c.pushProbe(t)
	if got := get(t, "http://"+c.registry+"/v2/e2e/probe/tags/list"); !strings.Contains(got, `"1"`) {
		t.Errorf("registry: %s", got)
	}

	t.Run("BrokenData", func(t *testing.T) { testBrokenData(t, name) })
}

// testBrokenData makes a start fail half-way: etcd refuses its data when the API server is not yet there.
func testBrokenData(t *testing.T, name string) {
	mark := statusOf(t, name).mark(t)
	must(t, "down", name, "--keep-data")
	logs, err := filepath.Glob(filepath.Join(base, name, "data/etcd/member/wal/*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no write-ahead log of etcd: %v", err)
	}
	for _, log := range logs {
		if err := os.WriteFile(log, []byte("no write-ahead log"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := sandbox(t, "up", name)
	if r.err == nil || !strings.Contains(r.stderr, "error: etcd") || !strings.Contains(r.stderr, "etcd | ") {
		t.Errorf("up with broken data: %v\n%s", r.err, r.stderr)
	}
	if left := marked(mark); len(left) > 0 {
		t.Errorf("a failed up left processes %v", left)
	}
}

// TestInterrupt sends SIGTERM as soon as up has said that something starts.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	needProgram(t)
	const name = "interrupt"
	t.Cleanup(func() { must(t, "down", name) })
	cmd := command(context.WithoutCancel(t.Context()), "up", name, "--control-plane-only")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stderr)
	for said.Scan() && !strings.Contains(said.Text(), "API server") {
	}
	var mark string
	logs, _ := filepath.Glob(filepath.Join(base, name, "logs/etcd.log"))
	if len(logs) == 0 {
		t.Error("nothing had started")
	}
	for _, pid := range processes(func(dir string) bool {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		return strings.Contains(string(line), filepath.Join(base, name))
	}) {
		mark = markOf(t, pid)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for said.Scan() {
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("an interrupted up: %v", err)
	}
	if left := marked(mark); mark == "" || len(left) > 0 {
		t.Errorf("an interrupted up left processes %v of %q", left, mark)
	}
}

func TestWithoutRoot(t *testing.T) {
	needProgram(t)
	if os.Geteuid() != 0 {
		t.Skip("the other tests are without root already")
	}
	dir := t.TempDir()
	const nobody = 65534
	// A copy, because the program may lie where only root can look.
	data, err := os.ReadFile(program())
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "shipit-sandbox")
	if err := os.WriteFile(copied, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	asNobody := func(args ...string) result {
		cmd := exec.Command(copied, args...) // not cancelled with the test: its cleanup runs it, too
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return finish(t, cmd)
	}
	t.Cleanup(func() {
		if r := asNobody("down"); r.err != nil {
			t.Errorf("down: %v\n%s", r.err, r.stderr)
		}
		if _, err := os.Lstat(filepath.Join(home, ".local/state/shipit/sandbox")); err == nil {
			t.Error("down left files")
		}
	})
	r := asNobody("up")
	if r.err != nil || !strings.Contains(r.stderr, "a node needs root") {
		t.Fatalf("up: %v\n%s", r.err, r.stderr)
	}
	if r := asNobody("status"); r.err != nil || !strings.Contains(r.stdout, "is ready") {
		t.Errorf("status: %v\n%s%s", r.err, r.stdout, r.stderr)
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	needProgram(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, flag := range []string{"--api-port", "--registry-port"} {
		r := sandbox(t, "up", "port", "--control-plane-only", flag, port)
		if r.err == nil || !strings.Contains(r.stderr, port) || !strings.Contains(r.stderr, flag) {
			t.Errorf("%s: %v\n%s", flag, r.err, r.stderr)
		}
	}
	nothingStarted(t, "port")
}

func TestMissingTool(t *testing.T) {
	t.Parallel()
	needNode(t)
	cmd := command(t.Context(), "up", "tool")
	cmd.Env = append(cmd.Env, "PATH=/nowhere")
	r := finish(t, cmd)
	if r.err == nil || !strings.Contains(r.stderr, "containerd") || !strings.Contains(r.stderr, "apt-get install") {
		t.Errorf("%v\n%s", r.err, r.stderr)
	}
	nothingStarted(t, "tool")
}

// nothingStarted checks that a refused start has not even made a folder.
func nothingStarted(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(base, name)); err == nil {
		t.Errorf("%s was made", name)
	}
	if r := sandbox(t, "status", name); r.err == nil || !strings.Contains(r.stderr, "no sandbox "+name) {
		t.Errorf("status: %v\n%s", r.err, r.stderr)
	}
}

// The command line has shipit's habits: one way to name a sandbox, its exit codes, its words.
func TestUsage(t *testing.T) {
	t.Parallel()
	needProgram(t)
	for _, args := range [][]string{
		{"up", "Not_A_Name"}, {"up", "a", "b"}, {"nonsense"}, {"status", "-o", "xml"}, {"status", "a", "--sandbox=b"}, {"status", "--context", "a"},
		{"open"}, {"open", "web", "default"}, {"logs", "a", "etcd"}, {"list", "a"}, {"status", "--sandbox=Not_A_Name"},
	} {
		r := sandbox(t, args...)
		var exit *exec.ExitError
		if !errors.As(r.err, &exit) || exit.ExitCode() != 64 || !strings.HasPrefix(r.stderr, "error: ") || r.stdout != "" {
			t.Errorf("%v: %v\n%s%s", args, r.err, r.stdout, r.stderr)
		}
	}
	for _, args := range [][]string{{"down", "never-made"}, {"down", "--sandbox=never-made"}, {"down", "never-made", "--sandbox=never-made"}} {
		if r := sandbox(t, args...); r.err != nil || !strings.Contains(r.stderr, "no sandbox never-made") {
			t.Errorf("%v: %v\n%s", args, r.err, r.stderr)
		}
	}
	if r := sandbox(t, "open", "web", "default"); !strings.Contains(r.stderr, "--sandbox=default") {
		t.Errorf("it does not say how to name the sandbox: %s", r.stderr)
	}
	for _, args := range [][]string{{"--help"}, {"up", "--help"}} {
		r := sandbox(t, args...)
		if r.err != nil || strings.Contains(r.stdout, "--version") || !strings.Contains(r.stdout, "shipit sandbox ") {
			t.Errorf("%v: flags that are not the sandbox's, or another name: %v\n%s", args, r.err, r.stdout)
		}
	}
}
