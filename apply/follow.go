package apply

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply/health"
)

// follow reads the containers of all pods of a unit, those that come later too,
// until ctx ends.
func (c *Client) follow(ctx context.Context, req LogsRequest, sink func(LogLine)) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	w := c.watchPods(ctx)
	defer w.close()
	news, done := w.listen()
	defer done()
	if err := w.synced(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	type key struct {
		pod       types.UID
		container string
	}
	tails := map[key]*tail{}
	lines, failed := make(chan LogLine), make(chan error, 1)
	first := true
	for {
		for _, o := range w.pods.List() {
			p := o.(*corev1.Pod)
			if unitOf(p) != req.Unit {
				continue
			}
			for _, name := range containersOf(p, req.Container) {
				k := key{p.UID, name}
				t := tails[k]
				if t == nil {
					t = &tail{c: c, pod: p.Name, container: name, lines: lines, failed: failed, news: make(chan struct{}, 1)}
					if first {
						t.options = req.options()
					}
					tails[k] = t
					t.see(p)
					running.Go(func() { t.run(ctx) })
					continue
				}
				t.see(p)
			}
		}
		first = false
		for listed := true; listed; {
			select {
			case line := <-lines:
				sink(line)
			case err := <-failed:
				return unlessEnded(ctx, err)
			case <-news:
				if err, _ := w.state(); err != nil {
					return err
				}
				listed = false
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tail follows one container of one pod through its restarts.
type tail struct {
	c              *Client
	pod, container string
	options        corev1.PodLogOptions // of the first reading
	lines          chan<- LogLine
	failed         chan<- error
	news           chan struct{} // holds a token when the pod was seen again

	mu     sync.Mutex
	status *corev1.ContainerStatus
}

func (t *tail) see(p *corev1.Pod) {
	t.mu.Lock()
	t.status = health.ContainerStatus(p, t.container)
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// instance is the container that there are lines of, and whether it has ended.
func (t *tail) instance() (id string, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s := t.status; {
	case s == nil:
		return "", false
	case s.State.Running != nil:
		return s.ContainerID, false
	case s.State.Terminated != nil:
		return s.State.Terminated.ContainerID, true
	case s.LastTerminationState.Terminated != nil:
		return s.LastTerminationState.Terminated.ContainerID, true
	}
	return "", false
}

// again is the pause before a log that ended without its container is asked for
// again: the watch may be behind, or the connection was lost.
const again = 300 * time.Millisecond

func (t *tail) run(ctx context.Context) {
	var last time.Time
	read := "" // the ended instance that was read to its end
	for ctx.Err() == nil {
		id, ended := t.instance()
		if id == "" || id == read {
			select {
			case <-t.news:
			case <-ctx.Done():
			}
			continue
		}
		o := t.options
		o.Follow = true
		at, err := t.c.readLog(ctx, t.pod, t.container, o, last, func(text string) error {
			select {
			case t.lines <- LogLine{t.pod, t.container, text}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if at.After(last) {
			last, t.options = at, corev1.PodLogOptions{}
		}
		switch {
		case apierrors.IsNotFound(err):
			return // the pod is gone
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			select {
			case t.failed <- t.c.typed(err, Ref{APIVersion: "v1", Kind: "Pod", Namespace: t.c.owner.Namespace, Name: t.pod}, nil):
			default:
			}
			return
		case err == nil && ended:
			read = id
			continue
		}
		pause(ctx, again)
	}
}
