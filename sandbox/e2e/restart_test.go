package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// TestComponentsAreStartedAgain kills what a sandbox is made of, and has its API server be away for as long as makes the
// scheduler end: nobody has to call for up.
func TestComponentsAreStartedAgain(t *testing.T) {
	t.Parallel()
	needProgram(t)
	const name = "restart"
	t.Cleanup(func() { must(t, "down", name) })
	if r := sandbox(t, "up", name, "--control-plane-only"); r.err != nil {
		t.Fatalf("up: %v\n%s", r.err, r.stderr)
	}
	mark := statusOf(t, name).mark(t)
	for _, component := range []string{"etcd", "registry", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		was := statusOf(t, name)
		if err := syscall.Kill(was.pids()[component], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		now := awaitStatus(t, name, component+" is back", func(s status) bool {
			return s.Ready && s.pids()[component] != was.pids()[component]
		})
		if got := now.restarts(component); got < 1 {
			t.Errorf("%s was started again, and the status counts %d", component, got)
		}
	}

	// One that is not killed but stands still: its clients time out.
	api := statusOf(t, name).pids()["kube-apiserver"]
	if err := syscall.Kill(api, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(25 * time.Second) // is the case
	if err := syscall.Kill(api, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, name, "all is ready after the API server was away", func(s status) bool { return s.Ready })
	connect(t, name).schedules(t)

	if got := must(t, "status", name); !strings.Contains(got, "RESTARTS") {
		t.Errorf("status prints\n%s", got)
	}
	log, err := os.ReadFile(filepath.Join(base, name, "logs/supervisor.log"))
	if err != nil || !strings.Contains(string(log), "kube-scheduler ended, and is started again") {
		t.Errorf("its log: %v\n%s", err, log)
	}

	must(t, "down", name)
	if left := marked(mark); len(left) > 0 {
		t.Errorf("down left processes %v", left)
	}
}

func (s status) restarts(component string) int {
	for _, c := range s.Components {
		if c.Name == component {
			return c.Restarts
		}
	}
	return -1
}

// awaitStatus asks for the status until it is so.
func awaitStatus(t *testing.T, name, what string, so func(status) bool) status {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var s status
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); <-tick.C {
		if s = statusOf(t, name); so(s) {
			return s
		}
	}
	t.Fatalf("not in 3 minutes: %s; the status is %+v", what, s)
	return s
}

// schedules makes a node that only the API server knows, and a pod for it, and returns when the scheduler has bound it.
func (c cluster) schedules(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	room := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10"), corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "paper"}, Status: corev1.NodeStatus{Capacity: room, Allocatable: room}}
	if _, err := c.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "paper"},
		Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "paper", Image: "paper"}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, // no kubelet says that it is ready
		},
	}
	watch, err := c.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", "paper").String()})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	if _, err := c.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-watch.ResultChan():
			if p, ok := e.Object.(*corev1.Pod); ok && p.Spec.NodeName == "paper" {
				return
			}
		case <-limit:
			t.Fatal("no scheduler bound the pod within a minute")
		}
	}
}
