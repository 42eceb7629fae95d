package apply_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply"
)

// killedDeploy leaves a deploy behind that was killed while it waited.
func (e *env) killedDeploy(lease time.Duration) {
	t := e.T
	t.Helper()
	c := e.child(childDeploy{Lease: lease, Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}})
	c.until(string(apply.EventProgress))
	check(t, c.cmd.Process.Kill())
	c.wait()
	if s := e.status("web"); s.State != apply.StateInterrupted || s.Lock != nil || s.Release != 2 || s.Healthy != 1 {
		t.Fatalf("after the kill: %+v", s)
	}
}

// holds is longer than a test: a deploy that waits with this timeout for what is
// never ready keeps its lock until something else ends it.
const holds = time.Hour

func isLost(err error) bool {
	var lost *apply.LockLostError
	return errors.As(err, &lost)
}

// A deploy that is stopped for longer than its Lease lasts is taken over, though
// its process is there. When it goes on it finds that out, and writes nothing:
// neither after waiting, nor when it was stopped on its way to the next write.
func TestStoppedHolderWritesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first childDeploy
		until string
		env   map[string]string
	}{
		{name: "waiting", until: string(apply.EventProgress), env: map[string]string{"UNREADY": "503"}},
		// Its Lease, the index, the intent, the index; the fifth is the Deployment.
		{name: "before the first object", until: "stopping", first: childDeploy{StopAt: 5}, env: map[string]string{"VERSION": "2"}},
		{name: "before the intent", until: "stopping", first: childDeploy{StopAt: 3}, env: map[string]string{"VERSION": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
			tt.first.Lease, tt.first.Units = 3*time.Second, []apply.Unit{e.unit(service{env: tt.env})}
			c := e.child(tt.first)
			if !c.until(tt.until) {
				t.Fatalf("the first deploy did not get to %s: %q", tt.name, c.said)
			}
			check(t, c.cmd.Process.Signal(syscall.SIGSTOP))
			took := false
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "3"}})}, LockWait: holds}, func(ev apply.Event) {
				took = took || ev.Kind == apply.EventTakeover
			})
			if err != nil || res.Outcome != apply.Deployed || !took {
				_ = c.cmd.Process.Kill()
				t.Fatalf("the second deploy: %s, took over %v, error %v", res.Outcome, took, err)
			}
			before := e.versions()
			check(t, c.cmd.Process.Signal(syscall.SIGCONT))
			if code := c.wait(); code != childLost {
				t.Errorf("the first deploy exits with %d, saying %q", code, c.said)
			}
			if slices.Contains(c.said, string(apply.EventFailed)) {
				t.Errorf("the first deploy blames what its successor did: %q", c.said)
			}
			if after := e.versions(); !maps.Equal(before, after) {
				t.Errorf("the first deploy wrote after it had lost its lock:\nbefore %v\nafter  %v", before, after)
			}
			e.isAt("web", res.Units[0].Release)
		})
	}
}

// A deploy that was killed is found by the next one, which goes on from the
// release that was healthy before.
func TestTakeoverAfterKill(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	before := e.pods("web")
	e.killedDeploy(0)
	// Superseding it with something broken goes back to release 1.
	took := false
	res, _ := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"EXIT": "1"}})}}, func(ev apply.Event) {
		took = took || ev.Kind == apply.EventTakeover
	})
	if res.Outcome != apply.RolledBack || res.Units[0].Release != 1 || res.Units[0].Tried != 3 || !took {
		t.Fatalf("superseded: %s, %+v, takeover %v", res.Outcome, res.Units[0], took)
	}
	e.samePods("web", before)
	for _, left := range e.left() {
		if strings.HasPrefix(left, "Lease") {
			t.Errorf("left: %s", left)
		}
	}
}

// Two deploys of one service do not interleave: the second is refused and names
// the first, or waits for it.
func TestTwoDeploysAtOnce(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	holding := make(chan struct{})
	done := make(chan *apply.Result, 1)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	go func() {
		res, _ := e.client().Deploy(ctx, apply.Request{Timeout: holds, Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}}, func(ev apply.Event) {
			if ev.Kind == apply.EventWaiting {
				select {
				case <-holding:
				default:
					close(holding)
				}
			}
		})
		done <- res
	}()
	<-holding
	second := apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}
	res, err := e.deploy(e.ctx, second, nil)
	var locked *apply.LockedError
	if !errors.As(err, &locked) || res.Outcome != apply.Refused {
		t.Fatalf("second: %s, %v", res.Outcome, err)
	}
	if locked.Unit != "web" || locked.Holder != "ann@test" || locked.DeployID == "" || locked.Since.IsZero() {
		t.Errorf("locked: %+v", locked)
	}
	// Another service is not held up.
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{name: "api"})}, Only: []string{"api"}}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("another service: %s, %v", res.Outcome, err)
	}
	second.LockWait = holds
	second.Only = []string{"web"}
	res, err = e.deploy(e.ctx, second, func(ev apply.Event) {
		if ev.Kind == apply.EventLockWait {
			cancel() // the first goes back
		}
	})
	check(t, err)
	if first := <-done; first.Outcome != apply.RolledBack {
		t.Errorf("first: %s", first.Outcome)
	}
	if res.Outcome != apply.Deployed || res.Units[0].Release != 3 {
		t.Errorf("second, waiting: %s %+v", res.Outcome, res.Units[0])
	}
}

// Of a holder on another machine nothing is known but whether its Lease moves.
func TestTakeoverByTime(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	e.killedDeploy(4 * time.Second)
	_, err := e.dyn.Resource(leases).Namespace(e.ns).Patch(e.ctx, e.lease(), types.MergePatchType, []byte(`{"metadata":{"annotations":null}}`), metav1.PatchOptions{})
	check(t, err)
	start := time.Now()
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "3"}}))
	if took := time.Since(start); took < 4*time.Second {
		t.Errorf("taken over after %s, before the lease could expire", took)
	}
}

// A holder on another machine is known to be alive when its Lease moves.
func TestRefusedByRenewal(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan struct{})
	holding := make(chan struct{}, 8)
	go func() {
		defer close(done)
		_, _ = e.client().Deploy(ctx, apply.Request{Timeout: holds, Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}}, func(ev apply.Event) {
			if ev.Kind == apply.EventWaiting {
				holding <- struct{}{}
			}
		})
	}()
	defer func() { cancel(); <-done }()
	<-holding
	_, err := e.dyn.Resource(leases).Namespace(e.ns).Patch(e.ctx, e.lease(), types.MergePatchType, []byte(`{"metadata":{"annotations":null}}`), metav1.PatchOptions{})
	check(t, err)
	var locked *apply.LockedError
	if _, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}}, nil); !errors.As(err, &locked) {
		t.Errorf("error %v, want a LockedError", err)
	}
}

func (e *env) lease() string {
	e.Helper()
	list, err := e.dyn.Resource(leases).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
	check(e.T, err)
	if len(list.Items) != 1 {
		e.Fatalf("%d leases, want 1", len(list.Items))
	}
	return list.Items[0].GetName()
}

// Who lost the lock stops: it neither goes on nor back.
func TestLockLost(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	var deleted bool
	var generation int64
	read := func() int64 {
		o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, "web", metav1.GetOptions{})
		check(t, err)
		return o.GetGeneration()
	}
	res, err := e.deploy(e.ctx, apply.Request{Timeout: holds, Units: []apply.Unit{e.unit(service{env: map[string]string{"UNREADY": "503"}})}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting && !deleted {
			deleted = true
			generation = read()
			check(t, e.dyn.Resource(leases).Namespace(e.ns).Delete(e.ctx, e.lease(), metav1.DeleteOptions{}))
		}
	})
	var lost *apply.LockLostError
	if !errors.As(err, &lost) || res.Outcome != apply.Interrupted {
		t.Errorf("outcome %s in %s, error %v", res.Outcome, res.Took, err)
	}
	if now := read(); now != generation {
		t.Errorf("the Deployment went from generation %d to %d after the lock was lost", generation, now)
	}
}
