package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// A deploy takes one interrupt that is delivered twice for one, and outlives its
// streams; a second interrupt ends it at once.
func TestSignalsAndStreams(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	h := newHello(t, c)
	h.with(`GREETING: "one"`)
	if out, code := h.run("deploy"); code != exitDone {
		t.Fatalf("deploy: exit code %d\n%s", code, out)
	}
	const unready, stopped = `HELLO_UNREADY: "never"`, "the deploy was stopped; what was there before is back"
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h.with(unready)
		r := h.start(h.command("deploy"), " new")
		r.signal(sig)
		if code := r.end(); code != exitRolledBack || !strings.Contains(r.said.String(), stopped) {
			t.Errorf("%v to the process and its group: exit code %d\n%s", sig, code, &r.said)
		}
		h.expect(`(?m)^hello +deployed +2/2 +0 +1 `)
	}

	// The way back gets no answer, and somebody has enough.
	h.with(unready)
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := faultproxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	kubeconfig := filepath.Join(h.dir, "proxy.kubeconfig")
	if err := os.WriteFile(kubeconfig, proxy.Kubeconfig("proxy"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.start(h.command("deploy", "--kubeconfig", kubeconfig), " new")
	proxy.Lose()
	r.signal(syscall.SIGINT)
	time.Sleep(sameInterrupt + 100*time.Millisecond) // is the case
	r.signal(syscall.SIGINT)
	if code := r.end(); code != exitStopped || !strings.Contains(r.said.String(), "interrupted again: stopping at once; hello may be left half-way.") {
		t.Errorf("interrupted twice: exit code %d\n%s", code, &r.said)
	}
	h.with(`GREETING: "at last"`)
	if out, code := h.run("deploy"); code != exitDone {
		t.Errorf("what it advises: exit code %d\n%s", code, out)
	}

	for what, run := range map[string]func(*hello) int{
		"a reader that goes away": (*hello).withoutReader,
		"a terminal that closes":  (*hello).withoutTerminal,
		"a reader that sleeps":    (*hello).withoutAttention,
	} {
		h.with(fmt.Sprintf("GREETING: %q", what))
		if code := run(h); code != exitDone {
			t.Errorf("%s: exit code %d", what, code)
		}
		if out, _ := h.run("deploy"); !strings.Contains(out, "unchanged") {
			t.Errorf("%s: the deploy did not get to its end; another one prints\n%s", what, out)
		}
	}
}

// hello is a copy of the example, in a namespace of its own.
type hello struct {
	t    *testing.T
	dir  string
	env  []string
	text string
}

func newHello(t *testing.T, c *testCluster) *hello {
	t.Helper()
	h := &hello{t: t, dir: t.TempDir()}
	if err := os.CopyFS(h.dir, os.DirFS("../../examples/hello")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(h.dir, "hello.cue"))
	if err != nil {
		t.Fatal(err)
	}
	h.text = string(data)
	ns := fmt.Sprintf("streams-%d", os.Getpid())
	h.env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "SHIPIT_NAMESPACE="+ns, "SHIPIT_REGISTRY="+c.registry+"/"+ns, "NO_COLOR=1")
	t.Cleanup(func() {
		namespaces := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
		_ = namespaces.Delete(context.Background(), ns, metav1.DeleteOptions{})
	})
	return h
}

// with writes the example with another variable in place of its greeting.
func (h *hello) with(variable string) {
	h.t.Helper()
	text := strings.Replace(h.text, `GREETING: "Hello"`, variable, 1)
	if err := os.WriteFile(filepath.Join(h.dir, "hello.cue"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// command is shipit in a process group of its own.
func (h *hello) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.t.Context(), "shipit", args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run returns what a command printed, and its exit code.
func (h *hello) run(args ...string) (string, int) {
	h.t.Helper()
	cmd := h.command(args...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// expect fails the test unless the status of the app matches.
func (h *hello) expect(pattern string) {
	h.t.Helper()
	if out, code := h.run("status"); code != exitDone || !regexp.MustCompile(pattern).MatchString(out) {
		h.t.Errorf("status: exit code %d, and it prints\n%s\nwant %s", code, out, pattern)
	}
}

// running is a command under way.
type running struct {
	*exec.Cmd
	t     *testing.T
	lines *bufio.Scanner
	said  bytes.Buffer
}

// start starts a command and returns once it has said a line that matches.
func (h *hello) start(cmd *exec.Cmd, pattern string) *running {
	h.t.Helper()
	r := &running{Cmd: cmd, t: h.t}
	stderr, err := r.StderrPipe()
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	r.lines = bufio.NewScanner(stderr)
	for re := regexp.MustCompile(pattern); r.lines.Scan(); {
		fmt.Fprintln(&r.said, r.lines.Text())
		if re.Match(r.lines.Bytes()) {
			return r
		}
	}
	h.t.Fatalf("it never says %s:\n%s", pattern, &r.said)
	return nil
}

// signal sends to the process and then to its group, as timeout(1) does.
func (r *running) signal(sig syscall.Signal) {
	r.t.Helper()
	for _, pid := range []int{r.Process.Pid, -r.Process.Pid} {
		if err := syscall.Kill(pid, sig); err != nil {
			r.t.Fatal(err)
		}
	}
}

// end waits for the process, and for what it says until then.
func (r *running) end() int {
	for r.lines.Scan() {
		fmt.Fprintln(&r.said, r.lines.Text())
	}
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

// withoutReader deploys, and reads one line of all that it prints.
func (h *hello) withoutReader() int {
	h.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := h.command("deploy")
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	_ = w.Close()
	_, _ = bufio.NewReaderSize(r, 16).ReadString('\n')
	_ = r.Close()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// withoutTerminal deploys on a terminal that is closed once pods start.
func (h *hello) withoutTerminal() int {
	h.t.Helper()
	master, slave := openTerminal(h.t)
	cmd := h.command("deploy")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	_ = slave.Close()
	for lines := bufio.NewScanner(master); lines.Scan() && !strings.Contains(lines.Text(), "new"); {
	}
	_ = master.Close() // the kernel sends SIGHUP
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// withoutAttention deploys to a pipe that is full once pods start, and reads on only
// when the deploy is at its end.
func (h *hello) withoutAttention() int {
	h.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	before := h.release()
	cmd := h.command("deploy")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	for lines := bufio.NewScanner(r); lines.Scan() && !strings.Contains(lines.Text(), "wait"); {
	}
	fill(h.t, w)
	_ = w.Close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for now := ""; now == "" || now == before; now = h.release() {
		if <-tick.C; time.Now().After(deadline) {
			h.t.Fatal("the deploy does not get to its end")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// fill writes to a pipe until it takes no more, by a description of its own: who
// else writes to it is to wait.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 512))
	}
	if err != syscall.EAGAIN {
		t.Fatal(err)
	}
}

// release is at which release the app is, when its deploy has ended well.
func (h *hello) release() string {
	h.t.Helper()
	out, _ := h.run("status")
	m := regexp.MustCompile(`(?m)^hello +deployed +2/2 +\d+ +(\d+) `).FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	return m[1]
}

// openTerminal opens a pseudo terminal (pts(4)).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	var unlock, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return master, slave
}
