package apply

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"github.com/shipit-dev/shipit/apply/health"
)

// A watch that brings nothing is either that of objects which do not change, or
// dead: its connection is there and nobody writes to it. While somebody waits, what
// a watch has been silent about for quietAfter is listed: less and less often
// while the lists show nothing new either, and soon again once one shows what the
// watch ought to have brought.
const (
	quietAfter  = 10 * time.Second
	quietAtMost = 30 * time.Second
	quietDead   = 2 * time.Second
)

// watched is a store that tells of changes. It takes objects from a watch and from
// lists, in whatever order they arrive: what is older than what it has is dropped.
type watched struct {
	cache.Store
	notify func()
	list   func(context.Context, metav1.ListOptions) (runtime.Object, error)
	synced chan struct{}
	once   sync.Once

	refused time.Time // since when; zero when it is not; guarded by the watcher's mu

	mu      sync.Mutex // orders what comes in, and guards the rest
	version string     // the resource version that the store is as new as
	heard   time.Time  // when a watch or a list last brought anything
	pause   time.Duration
	ended   map[types.UID]*unstructured.Unstructured // Jobs that ended and were removed
}

func newWatched(notify func(), list func(context.Context, metav1.ListOptions) (runtime.Object, error)) *watched {
	return &watched{
		Store: cache.NewStore(cache.MetaNamespaceKeyFunc), notify: notify, list: list, synced: make(chan struct{}),
		heard: time.Now(), pause: quietAfter, ended: map[types.UID]*unstructured.Unstructured{},
	}
}

func (s *watched) Add(o any) error    { return s.take(o, s.Store.Add) }
func (s *watched) Update(o any) error { return s.take(o, s.Store.Update) }
func (s *watched) Delete(o any) error {
	return s.take(o, func(o any) error {
		s.bury(o)
		return s.Store.Delete(o)
	})
}

// bury keeps what is left to know of a Job that is gone.
func (s *watched) bury(o any) {
	if job, ok := o.(*unstructured.Unstructured); ok && job.GetKind() == "Job" && health.JobEnded(job) {
		s.ended[job.GetUID()] = job
	}
}

// take does what an event of the watch says, unless a list said it before.
func (s *watched) take(o any, do func(any) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard, s.pause = time.Now(), quietAfter
	if m, err := meta.Accessor(o); err == nil && s.version != "" {
		if n, err := resourceversion.CompareResourceVersion(m.GetResourceVersion(), s.version); err == nil && n <= 0 {
			return nil
		}
	}
	err := do(o)
	s.notify()
	return err
}

// Replace takes a list, unless the store is newer.
func (s *watched) Replace(items []any, version string) error {
	_, err := s.replace(items, version)
	return err
}

// UpdateResourceVersion is called after each event of the watch, and for its
// bookmarks.
func (s *watched) UpdateResourceVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard, s.pause = time.Now(), quietAfter
	if !olderThan(version, s.version) {
		s.version = version
	}
}

func (s *watched) replace(items []any, version string) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	defer s.once.Do(func() { close(s.synced) })
	if olderThan(version, s.version) {
		return false, nil
	}
	s.version = version
	before := map[string]any{}
	for _, o := range s.List() {
		if key, err := cache.MetaNamespaceKeyFunc(o); err == nil {
			before[key] = o
		}
	}
	for _, o := range items {
		key, err := cache.MetaNamespaceKeyFunc(o)
		if err != nil {
			return false, err
		}
		changed = changed || before[key] == nil || versionOf(before[key]) != versionOf(o)
		delete(before, key)
	}
	for _, o := range before {
		changed = true
		s.bury(o)
	}
	err = s.Store.Replace(items, version)
	s.notify()
	return changed, err
}

// olderThan compares resource versions of one kind. What cannot be compared is not
// older.
func olderThan(a, b string) bool {
	n, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && n < 0
}

func versionOf(o any) string {
	m, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return m.GetResourceVersion()
}

// quiet reports whether nothing was heard for so long that a list is due.
func (s *watched) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.heard) >= s.pause
}

// refresh lists the kind as it is now.
func (s *watched) refresh(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	list, err := s.list(bounded, metav1.ListOptions{})
	changed := false
	if err == nil {
		changed, err = s.replaceList(list)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil || changed:
		s.pause = quietDead
	default:
		s.pause = min(s.pause+s.pause/2, quietAtMost)
	}
	return err
}

func (s *watched) replaceList(list runtime.Object) (changed bool, err error) {
	objects, err := meta.ExtractList(list)
	if err != nil {
		return false, err
	}
	m, err := meta.ListAccessor(list)
	if err != nil {
		return false, err
	}
	items := make([]any, len(objects))
	for i, o := range objects {
		items[i] = o
	}
	return s.replace(items, m.GetResourceVersion())
}

// stores are all that are kept.
func (w *watcher) stores() []*watched {
	out := []*watched{w.pods}
	if w.replicaSets != nil {
		out = append(out, w.replicaSets)
	}
	for _, s := range w.workloads {
		out = append(out, s)
	}
	return out
}

// refresh lists everything as it is now, whatever became of the watches: what ends a
// deploy is judged by this. The error says that nobody knows.
func (w *watcher) refresh(ctx context.Context) error {
	return w.listed(ctx, w.stores())
}

func (w *watcher) listed(ctx context.Context, stores []*watched) error {
	g := &errgroup.Group{}
	for _, s := range stores {
		g.Go(func() error {
			err := s.refresh(ctx)
			w.heard(ctx, s, err)
			return err
		})
	}
	return g.Wait()
}

// keepFresh lists what was not heard of for too long, while somebody waits for it.
func (w *watcher) keepFresh(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if !w.listenedTo() {
			continue
		}
		var due []*watched
		for _, s := range w.stores() {
			if s.quiet() {
				due = append(due, s)
			}
		}
		_ = w.listed(ctx, due) // heard has the error
	}
}

func (w *watcher) listenedTo() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.news) > 0
}
