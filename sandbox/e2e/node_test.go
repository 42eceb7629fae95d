package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// patience is how long a test waits for what comes, however slow the machine is. How long things took is logged.
const patience = 15 * time.Minute

// TestNode is the life of one sandbox, told in order: what happens to it is shared by all of its parts.
func TestNode(t *testing.T) {
	needNode(t)
	old, err := before()
	if err != nil {
		t.Fatal(err)
	}
	const name = "node"
	first := sandbox(t, "up", name)
	if first.err != nil {
		t.Fatalf("up: %v\n%s", first.err, first.stderr)
	}
	t.Logf("up from nothing: %.1fs", first.elapsed.Seconds())
	if first.stdout != "" {
		t.Errorf("up printed to stdout: %q", first.stdout)
	}
	c := connect(t, name)
	c.createProbe(t, "probe")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("status:\n%s", sandbox(t, "status", name).stdout)
		}
	})

	for _, part := range []struct {
		name string
		test func(*testing.T, string, cluster)
	}{
		{"Pods", testPods},
		{"OpenService", testOpen},
		{"Metrics", testMetrics},
		{"NothingLeaves", testNothingLeaves},
		{"UpAgainChangesNothing", testUpAgain},
		{"EveryComponentIsBroughtBack", testKillEach},
		{"ComesBackWithItsData", testKillAll},
		{"SideBySide", testSideBySide},
		{"DownKeepData", testKeepData},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, name, c) }) {
			break
		}
	}
	t.Run("DownLeavesNothing", func(t *testing.T) { testDown(t, name, old) })
}

func testPods(t *testing.T, _ string, c cluster) {
	if got := c.mustExec(t, "probe", "lookup", "kubernetes"); !strings.Contains(got, "10.96.0.1") {
		t.Errorf("DNS: kubernetes is %s", got)
	}
	if got := c.mustExec(t, "probe", "lookup", "probe.default.svc.cluster.local"); !strings.Contains(got, "10.96.") {
		t.Errorf("DNS: probe is %s", got)
	}
	c.mustExec(t, "probe", "dial", "probe.default:80") // its own Service: the packet goes out and comes back
	c.mustExec(t, "probe", "write", "/data/file", "kept")
	stream, err := c.CoreV1().Pods("default").GetLogs("probe", &corev1.PodLogOptions{}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	log, err := io.ReadAll(stream)
	if err != nil || !strings.Contains(string(log), "probe is serving") {
		t.Errorf("logs: %q, %v", log, err)
	}
}

func testOpen(t *testing.T, name string, _ cluster) {
	url := strings.TrimSpace(must(t, "open", "probe", "--sandbox="+name))
	if got := get(t, url); got != "hello" {
		t.Errorf("%s answers %q", url, got)
	}
	if again := strings.TrimSpace(must(t, "open", "probe", "--port", "80", "--sandbox="+name)); again != url {
		t.Errorf("opened again, it is %s, not %s", again, url)
	}
	if r := sandbox(t, "open", "nothing", "--sandbox="+name); r.err == nil || !strings.Contains(r.stderr, "no Service nothing") {
		t.Errorf("a missing Service: %v\n%s", r.err, r.stderr)
	}
}

// testMetrics asks what `kubectl top` does. There are numbers when the pod was seen twice.
func testMetrics(t *testing.T, _ string, c cluster) {
	type usage struct{ CPU, Memory resource.Quantity }
	var node struct{ Usage usage }
	var pod struct{ Containers []struct{ Usage usage } }
	ask := func(path string, into any) error {
		data, err := c.RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/" + path).DoRaw(t.Context())
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := errors.Join(ask("nodes/sandbox", &node), ask("namespaces/default/pods/probe", &pod))
		if err == nil && !node.Usage.CPU.IsZero() && !node.Usage.Memory.IsZero() && len(pod.Containers) == 1 && !pod.Containers[0].Usage.Memory.IsZero() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node uses %v, the pod %v: %v", node, pod, err)
		}
	}
}

func testNothingLeaves(t *testing.T, _ string, c cluster) {
	if _, err := c.exec(t, "probe", "dial", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("an address outside: %v", err)
	}
	if _, err := c.exec(t, "probe", "lookup", "example.com"); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("a name outside: %v", err)
	}
}

func testUpAgain(t *testing.T, name string, _ cluster) {
	pids := statusOf(t, name).pids()
	results := make([]result, 3)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = sandbox(t, "up", name) })
	}
	wg.Wait()
	for _, r := range results {
		if r.err != nil || !strings.Contains(r.stderr, "running already") {
			t.Errorf("up again: %v\n%s", r.err, r.stderr)
		}
	}
	if now := statusOf(t, name).pids(); !maps.Equal(now, pids) {
		t.Errorf("processes changed from %v to %v", pids, now)
	}
	t.Logf("up of a running one: %.2fs", results[0].elapsed.Seconds())
}

// testKillEach kills one component after the other. The pod must not notice.
func testKillEach(t *testing.T, name string, c cluster) {
	url := strings.TrimSpace(must(t, "open", "probe", "--sandbox="+name))
	for component, pid := range statusOf(t, name).pids() {
		others := statusOf(t, name).pids()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r := sandbox(t, "up", name)
		if r.err != nil {
			t.Fatalf("up after %s was killed: %v\n%s", component, r.err, r.stderr)
		}
		t.Logf("up after %s was killed: %.1fs", component, r.elapsed.Seconds())
		now := statusOf(t, name).pids()
		if now[component] == pid || now[component] == 0 {
			t.Errorf("%s was not started again: %v", component, now)
		}
		delete(now, component)
		delete(others, component)
		if !maps.Equal(now, others) {
			t.Errorf("after %s was killed, others changed from %v to %v", component, others, now)
		}
		if got := get(t, url); got != "hello" {
			t.Errorf("after %s was killed, the Service answers %q", component, got)
		}
		if got := c.mustExec(t, "probe", "read", "/data/file"); got != "kept" {
			t.Errorf("after %s was killed, the volume has %q", component, got)
		}
	}
	pod := c.awaitPod(t, "probe", podReady)
	if restarts := pod.Status.ContainerStatuses[0].RestartCount; restarts != 0 {
		t.Errorf("the pod was restarted %d times", restarts)
	}
}

func testKillAll(t *testing.T, name string, c cluster) {
	kill := func(pids []int) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				t.Fatal(err)
			}
		}
	}
	s := statusOf(t, name)
	mark := s.mark(t)
	var components []int
	for _, pid := range s.pids() {
		components = append(components, pid)
	}
	pod := c.awaitPod(t, "probe", podReady)
	for _, all := range []struct {
		what string
		pids func() []int
	}{
		{"all components", func() []int { return components }},
		{"all components and the pods' shims", func() []int { return marked(mark) }},
	} {
		kill(all.pids())
		r := sandbox(t, "up", name)
		if r.err != nil {
			t.Fatalf("up after %s were killed: %v\n%s", all.what, r.err, r.stderr)
		}
		t.Logf("up after %s were killed: %.1fs", all.what, r.elapsed.Seconds())
		if strings.Contains(all.what, "shims") {
			c.awaitPod(t, "probe", func(p *corev1.Pod) bool { // the pod's processes had to be started again
				return podReady(p) && p.Status.ContainerStatuses[0].RestartCount > pod.Status.ContainerStatuses[0].RestartCount
			})
		}
		if got := c.mustExec(t, "probe", "read", "/data/file"); got != "kept" {
			t.Errorf("after %s were killed, the volume has %q", all.what, got)
		}
		c.mustExec(t, "probe", "lookup", "kubernetes")
	}
}

func testSideBySide(t *testing.T, name string, c cluster) {
	const other = "other"
	t.Cleanup(func() { must(t, "down", other) })
	r := sandbox(t, "up", other)
	if r.err != nil {
		t.Fatalf("up: %v\n%s", r.err, r.stderr)
	}
	t.Logf("up of a second one: %.1fs", r.elapsed.Seconds())
	second := connect(t, other)
	second.createProbe(t, "probe")
	second.mustExec(t, "probe", "write", "/data/file", "other")
	if got := c.mustExec(t, "probe", "read", "/data/file"); got != "kept" {
		t.Errorf("the first one's volume has %q", got)
	}
	list := must(t, "list")
	for _, n := range []string{name, other} {
		if !strings.Contains(list, n+"\tready\n") {
			t.Errorf("list does not show %s: %q", n, list)
		}
	}

	// Killed whole, shims too, it leaves a pod that nobody looks after; down finds it.
	mark := statusOf(t, other).mark(t)
	networks := networksOf(t, mark)
	for _, pid := range marked(mark) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "down", other)
	if left := inNetworks(networks); len(left) > 0 {
		t.Errorf("down left processes of a killed sandbox: %v", left)
	}
	if s := statusOf(t, name); !s.Ready {
		t.Errorf("after the other one went down, the first is %+v", s)
	}
	c.mustExec(t, "probe", "lookup", "kubernetes")
}

func testKeepData(t *testing.T, name string, c cluster) {
	mark := statusOf(t, name).mark(t)
	must(t, "down", name, "--keep-data")
	if left := marked(mark); len(left) > 0 {
		t.Errorf("down left processes %v", left)
	}
	r := sandbox(t, "up", name)
	if r.err != nil {
		t.Fatalf("up: %v\n%s", r.err, r.stderr)
	}
	t.Logf("up with data: %.1fs", r.elapsed.Seconds())
	c.awaitPod(t, "probe", podReady)
	c.awaitPod(t, "probe", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].RestartCount > 1 && podReady(p) })
	if got := c.mustExec(t, "probe", "read", "/data/file"); got != "kept" {
		t.Errorf("the volume has %q", got)
	}
}

func testDown(t *testing.T, name string, old snapshot) {
	mark := statusOf(t, name).mark(t)
	id := strings.TrimPrefix(mark, "SHIPIT_SANDBOX_ID=")
	networks := networksOf(t, mark)
	r := sandbox(t, "down", name)
	if r.err != nil {
		t.Fatalf("down: %v\n%s", r.err, r.stderr)
	}
	t.Logf("down: %.1fs", r.elapsed.Seconds())
	if left := marked(mark); len(left) > 0 {
		t.Errorf("processes: %v", left)
	}
	if left := inNetworks(networks); len(left) > 0 {
		t.Errorf("processes in the sandbox's networks: %v", left)
	}
	if left := cgroups(id); len(left) > 0 {
		t.Errorf("control groups: %v", left)
	}
	for _, path := range []string{fmt.Sprintf("%s/%s", base, name), "/run/shipit-sandbox/" + id} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("file: %s", path)
		}
	}
	now, err := takeSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	// Other programs use /tmp, and other sandboxes may run.
	if added := now.added(old, "files: /tmp/", "/tmp/", "/run/shipit-sandbox"); len(added) > 0 {
		t.Errorf("left on the machine:\n%s", strings.Join(added, "\n"))
	}
	if again := sandbox(t, "down", name); again.err != nil || !strings.Contains(again.stderr, "no sandbox") {
		t.Errorf("down of an absent one: %v\n%s", again.err, again.stderr)
	}
}
