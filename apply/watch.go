package apply

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/shipit-dev/shipit/apply/health"
)

// watcher keeps the app's workloads, ReplicaSets and pods as the API server last
// told them. It watches, and lists again after whatever ends a watch, until it
// is stopped. Any number of goroutines may wait for what is new.
type watcher struct {
	c       *Client
	em      *emitter
	stop    context.CancelFunc
	running sync.WaitGroup

	ours func(context.Context) error // why what is there may be somebody else's by now; nil func is never

	workloads   map[kindRef]*watched
	pods        *watched
	replicaSets *watched

	mu      sync.Mutex
	offline bool
	lost    time.Time                  // when the server last stopped answering
	failed  error                      // no use to go on watching
	news    map[chan struct{}]struct{} // of those who listen; each holds one token when there is something new
}

// isWorkload reports whether objects of the kind have pods to wait for.
func isWorkload(k kindRef) bool {
	switch k {
	case kindRef{"apps/v1", "Deployment"}, kindRef{"apps/v1", "StatefulSet"}, kindRef{"apps/v1", "DaemonSet"}, kindRef{"batch/v1", "Job"}:
		return true
	}
	return false
}

// hasTemplate reports whether objects of the kind say what pods are to be: the
// workloads, and CronJobs, which run only now and then.
func hasTemplate(k kindRef) bool {
	return isWorkload(k) || k == kindRef{"batch/v1", "CronJob"}
}

// watch starts watching the workloads of kinds and all pods and ReplicaSets of
// the app. stop must be called.
func (c *Client) watch(ctx context.Context, em *emitter, kinds []kindRef) *watcher {
	ctx, stop := context.WithCancel(context.WithoutCancel(quiet(ctx)))
	w := &watcher{c: c, em: em, stop: stop, workloads: map[kindRef]*watched{}, news: map[chan struct{}]struct{}{}}
	ns := c.owner.Namespace
	pods, sets := c.core.Pods(ns), c.apps.ReplicaSets(ns)
	w.pods = w.run(ctx, &corev1.Pod{},
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) }, pods.Watch)
	w.replicaSets = w.run(ctx, &appsv1.ReplicaSet{},
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return sets.List(ctx, o) }, sets.Watch)
	for _, k := range kinds {
		if !isWorkload(k) || w.workloads[k] != nil {
			continue
		}
		example := &unstructured.Unstructured{}
		example.SetAPIVersion(k.APIVersion)
		example.SetKind(k.Kind)
		m, err := c.kinds.mapping(example.GroupVersionKind())
		if err != nil {
			continue // not among the built-in kinds that isWorkload knows: cannot be
		}
		r := c.dyn.Resource(m.Resource).Namespace(ns)
		w.workloads[k] = w.run(ctx, example,
			func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return r.List(ctx, o) }, r.Watch)
	}
	w.running.Go(func() { w.keepFresh(ctx) })
	return w
}

// watchPods watches the app's pods alone, and tells nobody of lost connections.
func (c *Client) watchPods(ctx context.Context) *watcher {
	ctx, stop := context.WithCancel(context.WithoutCancel(quiet(ctx)))
	w := &watcher{c: c, stop: stop, news: map[chan struct{}]struct{}{}}
	pods := c.core.Pods(c.owner.Namespace)
	w.pods = w.run(ctx, &corev1.Pod{},
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) }, pods.Watch)
	w.running.Go(func() { w.keepFresh(ctx) })
	return w
}

// close ends the watches and waits for their goroutines.
func (w *watcher) close() {
	w.stop()
	w.running.Wait()
}

// run keeps one kind in a store.
func (w *watcher) run(ctx context.Context, example runtime.Object,
	list func(context.Context, metav1.ListOptions) (runtime.Object, error),
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error),
) *watched {
	selector := w.c.selector()
	ours := func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		o.LabelSelector = selector
		return list(ctx, o)
	}
	s := newWatched(w.notify, ours)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := ours(ctx, o)
			w.heard(ctx, s, err)
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watchInterface, error) {
			o.LabelSelector = selector
			i, err := watch(ctx, o)
			w.heard(ctx, s, err)
			return i, err
		},
	}
	logger := logr.Discard()
	r := cache.NewReflectorWithOptions(lw, example, s, cache.ReflectorOptions{
		Name: "shipit", Logger: &logger,
		// Somebody is looking on: come back soon after the server does.
		Backoff: &wait.Backoff{Duration: 250 * time.Millisecond, Cap: 3 * time.Second, Steps: 6, Factor: 2, Jitter: 0.5},
	})
	w.running.Go(func() { r.RunWithContext(ctx) })
	return s
}

type watchInterface = watch.Interface

// graceRefused is how long a deploy's watch may be refused, when the deploy was
// not: credentials are renewed after the first refusal, and a server that starts
// knows nobody yet.
const graceRefused = 10 * time.Second

// heard learns from the answer to a list or watch request whether the server is
// there.
func (w *watcher) heard(ctx context.Context, s *watched, err error) {
	if ctx.Err() != nil {
		return
	}
	typed := w.c.typed(err, Ref{}, nil)
	var unreachable *UnreachableError
	var forbidden *ForbiddenError
	var unauthorized *UnauthorizedError
	w.mu.Lock()
	was := w.offline
	switch {
	case err == nil:
		w.offline, s.refused = false, time.Time{}
	case errors.As(typed, &unreachable), isTransient(err) && !errors.As(typed, &unauthorized):
		if !w.offline {
			w.offline, w.lost = true, time.Now()
		}
	case errors.As(typed, &forbidden), errors.As(typed, &unauthorized):
		if s.refused.IsZero() {
			s.refused = time.Now()
		}
		if w.em == nil || time.Since(s.refused) >= graceRefused {
			w.failed = typed
		}
	}
	is := w.offline
	w.mu.Unlock()
	if w.em == nil {
		w.notify()
		return
	}
	if is && !was {
		w.em.emit(Event{Kind: EventDisconnected, Err: typed})
	} else if was && !is {
		w.em.emit(Event{Kind: EventReconnected})
	}
	if err != nil {
		w.notify()
	}
}

func (w *watcher) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for news := range w.news {
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// listen returns a channel that holds a token when there was something new
// since the last one was taken, and what ends it.
func (w *watcher) listen() (<-chan struct{}, func()) {
	news := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news[news] = struct{}{}
	return news, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.news, news)
	}
}

// state says whether watching has failed for good, and whether the server does
// not answer now.
func (w *watcher) state() (failed error, offline bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed, w.offline
}

// lostAt is when the server last stopped answering; zero when it never did.
func (w *watcher) lostAt() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// synced returns when everything was listed once.
func (w *watcher) synced(ctx context.Context) error {
	news, stop := w.listen()
	defer stop()
	for _, s := range w.stores() {
		for done := false; !done; {
			select {
			case <-s.synced:
				done = true
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-news:
				if failed, _ := w.state(); failed != nil {
					return failed
				}
			}
		}
	}
	return nil
}

// workload returns the object named ref with its current ReplicaSet and pods,
// and nil when it is not there.
func (w *watcher) workload(ref Ref) *health.Workload {
	s := w.workloads[kindRef{ref.APIVersion, ref.Kind}]
	if s == nil {
		return nil
	}
	o, ok, _ := s.GetByKey(ref.Namespace + "/" + ref.Name)
	if !ok {
		return nil
	}
	var sets []*appsv1.ReplicaSet
	for _, o := range w.replicaSets.List() {
		sets = append(sets, o.(*appsv1.ReplicaSet))
	}
	var pods []*corev1.Pod
	for _, o := range w.pods.List() {
		pods = append(pods, o.(*corev1.Pod))
	}
	return health.NewWorkload(o.(*unstructured.Unstructured), sets, pods)
}

// awaited is workload, but for a Job that has ended and is gone since, as its TTL
// says: that is returned as it was.
func (w *watcher) awaited(a awaited) *health.Workload {
	if wl := w.workload(a.ref); wl != nil {
		return wl
	}
	s := w.workloads[kindRef{a.ref.APIVersion, a.ref.Kind}]
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.ended[a.uid]; o != nil {
		return health.NewWorkload(o, nil, nil)
	}
	return nil
}
