package apply_test

// The tests of this file wait longest. Those of the last file begin first, and nobody
// waits for them alone.

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// A pod that becomes ready while nothing is heard of the API server is not called
// unready for the time of which nobody heard, however long that was.
func TestServerAway(t *testing.T) {
	t.Parallel()
	down := func(p *faultproxy.Proxy) func() {
		p.Down()
		return func() { check(t, p.Up()) }
	}
	lost := func(p *faultproxy.Proxy) func() {
		p.Lose()
		return p.Deliver
	}
	for _, tt := range []struct {
		name string
		away time.Duration // its probe may fail for two seconds, its lock lasts for 15
		goes func(p *faultproxy.Proxy) (comes func())
	}{
		{"down for 5 s", 5 * time.Second, down},
		{"down for 20 s", 20 * time.Second, down},
		{"down for 30 s", 30 * time.Second, down},
		{"down for 45 s", 45 * time.Second, down},
		{"packets lost for 10 s", 10 * time.Second, lost},
		{"packets lost for 30 s", 30 * time.Second, lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			behind, p := e.behind()
			e.mustDeploy(e.unit(service{}))
			var outage sync.WaitGroup
			defer outage.Wait()
			waiting := false
			next := e.late(6, service{env: map[string]string{"VERSION": "2"}})
			res, err := behind.deploy(e.ctx, apply.Request{Units: []apply.Unit{next}}, func(ev apply.Event) {
				if ev.Kind != apply.EventWaiting || waiting {
					return
				}
				waiting = true
				outage.Go(func() {
					e.eventually(pods, func() (string, bool) { return "no new pod runs", e.runs("web", "2") })
					comes := tt.goes(p)
					<-time.After(tt.away)
					comes()
				})
			})
			if err != nil || res.Outcome != apply.Deployed {
				t.Errorf("outcome %s, error %v", res.Outcome, err)
			}
			e.isAt("web", 2)
		})
	}
}

// The loss of the server, and its return, are said.
func TestDisconnectedWhileWaiting(t *testing.T) {
	e := newEnv(t)
	e, p := e.behind()
	e.mustDeploy(e.unit(service{}))
	var lost, back bool
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			p.Down()
		case apply.EventDisconnected:
			lost = true
			check(t, p.Up())
		case apply.EventReconnected:
			back = true
		}
	})
	if err != nil || res.Outcome != apply.Deployed || !lost || !back {
		t.Errorf("outcome %s, lost %v, back %v, error %v", res.Outcome, lost, back, err)
	}
}

// A server that stays away ends a deploy as its bounds say, with the lock left to whoever
// comes next, who returns what is not healthy first.
func TestServerGoneForGood(t *testing.T) {
	e := newEnv(t)
	behind, p := e.behind()
	e.mustDeploy(e.version("web", "1"))
	res, err := behind.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("web")}, Timeout: 5 * time.Second}, func(ev apply.Event) {
		if ev.Kind == apply.EventWaiting {
			p.Down()
		}
	})
	if d := res.Diagnoses(); res.Outcome != apply.Interrupted || len(d) != 1 || d[0].Code != apply.CodeDeadlineExceeded || res.Took > 5*time.Minute {
		t.Errorf("outcome %s after %s, error %v", res.Outcome, res.Took, err)
	}
	if s := e.status("web"); s.Release != 2 || s.Healthy != 1 || s.Ready {
		t.Errorf("status %+v", s)
	}
	took := false
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.version("web", "1")}, LockWait: patience}, func(ev apply.Event) {
		took = took || ev.Kind == apply.EventTakeover
	})
	if err != nil || res.Outcome != apply.Deployed || !took {
		t.Errorf("then: outcome %s, taken over %v, error %v", res.Outcome, took, err)
	}
	e.settled()
}

// late is a unit whose pods take some seconds to be ready.
func (e *env) late(seconds int64, s service) apply.Unit {
	e.Helper()
	u := e.unit(s)
	for _, o := range u.Objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		check(e.T, err)
		check(e.T, unstructured.SetNestedField(containers[0].(map[string]any), seconds, "readinessProbe", "initialDelaySeconds"))
		check(e.T, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
	}
	return u
}

// runs reports whether a pod of the version runs and is not ready yet.
func (e *env) runs(name, version string) bool {
	e.Helper()
	list, err := e.dyn.Resource(pods).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	check(e.T, err)
	for i := range list.Items {
		var p corev1.Pod
		check(e.T, fromUnstructured(&list.Items[i], &p))
		env := p.Spec.Containers[0].Env[0]
		if env.Name == "VERSION" && env.Value == version && len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Running != nil {
			return true
		}
	}
	return false
}

// mute lets no watch bring anything while it is on; the connections stay.
type mute struct {
	next http.RoundTripper
	on   atomic.Bool
}

func (m *mute) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := m.next.RoundTrip(req)
	if err == nil && req.URL.Query().Has("watch") {
		res.Body = &muted{ReadCloser: res.Body, on: &m.on, closed: make(chan struct{})}
	}
	return res, err
}

type muted struct {
	io.ReadCloser
	on     *atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (b *muted) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.on.Load() {
		<-b.closed
		return 0, io.EOF
	}
	return n, err
}

func (b *muted) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.ReadCloser.Close()
}

func (e *env) muted(on bool) (*env, *mute) {
	e.Helper()
	m := &mute{}
	m.on.Store(on)
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		m.next = next
		return m
	})
	return &out, m
}

// Watches that bring nothing, from the start or from some moment on, change the end of
// nothing: not of a first deploy with a hook, a rollback, nor a removal.
func TestWatchesAreMute(t *testing.T) {
	t.Parallel()
	t.Run("from the start", func(t *testing.T) {
		e := newEnv(t)
		deaf, _ := e.muted(true)
		start := time.Now()
		deaf.mustDeploy(with(e.unit(service{}), e.hook("web", "migrate", "before", "0", "")))
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		res, err := deaf.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
		if err != nil || res.Outcome != apply.Removed {
			t.Errorf("outcome %s, error %v", res.Outcome, err)
		}
	})
	t.Run("half-way", func(t *testing.T) {
		e := newEnv(t)
		e.mustDeploy(e.version("web", "1"))
		deaf, m := e.muted(false)
		res, err := deaf.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("web")}}, func(ev apply.Event) {
			if ev.Kind == apply.EventWaiting {
				m.on.Store(true)
			}
		})
		if ds := res.Diagnoses(); res.Outcome != apply.RolledBack || len(ds) != 1 || ds[0].Code != apply.CodeCrashLoop {
			t.Errorf("outcome %s, error %v", res.Outcome, err)
		}
		e.isAt("web", 1)
	})
}

// Watches that stay mute longer than a wait may take end in what is true.
func TestMuteUntilTheDeadline(t *testing.T) {
	e := newEnv(t)
	deaf, _ := e.muted(true)
	res, err := deaf.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}, Timeout: 8 * time.Second}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

// Who may write Leases, and nothing else, keeps nobody waiting for longer than they
// said: a Lease of a dead deploy that claims to last for decades is waited for no longer
// than one of shipit's lasts.
func TestLeaseThatClaimsToLast(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "1"}}))
	e.killedDeploy(0)
	held := e.things(leases)
	if len(held) != 1 {
		t.Fatalf("the killed deploy left %v", held)
	}
	for name := range held {
		_, err := e.dyn.Resource(leases).Namespace(e.ns).Patch(e.ctx, strings.TrimPrefix(name, "Lease "), types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"shipit.dev/process":"another-machine/pid:[1] 1 1"}},"spec":{"leaseDurationSeconds":2000000000}}`), metav1.PatchOptions{})
		check(t, err)
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "3"}})}, LockWait: time.Second}, nil)
	var locked *apply.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("after a second of waiting: %v", err)
	}
	// In time it is dead to everybody.
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "3"}})}, LockWait: holds}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("with patience: %s, %v", res.Outcome, err)
	}
}
