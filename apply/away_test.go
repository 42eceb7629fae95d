package apply_test

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

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

// A pod that becomes ready while the API server is away is not called unready for the
// time of which nobody heard.
func TestServerAway(t *testing.T) {
	const away = 30 * time.Second // longer than its probe may fail
	e := newEnv(t)
	p := newProxy(t, e.cfg)
	behind := *e
	behind.cfg = p.config
	e.mustDeploy(e.unit(service{}))
	var cut sync.WaitGroup
	defer cut.Wait()
	waiting, back := false, false
	res, err := behind.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.late(6, service{env: map[string]string{"VERSION": "2"}})}}, func(ev apply.Event) {
		switch {
		case ev.Kind == apply.EventWaiting && !waiting:
			waiting = true
			cut.Go(func() {
				e.eventually(pods, func() (string, bool) { return "no new pod runs", e.runs("web", "2") })
				p.cut()
				<-time.After(away)
				p.mend()
			})
		case ev.Kind == apply.EventReconnected:
			back = true
		}
	})
	if err != nil || res.Outcome != apply.Deployed || !back {
		t.Errorf("outcome %s, back %v, error %v", res.Outcome, back, err)
	}
	e.isAt("web", 2)
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
