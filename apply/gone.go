package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// removeUnit deletes every object of the unit that this app applied, and waits
// until they and their pods are gone.
func (m *mover) removeUnit(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	changes := m.c.plan([]target{{unit: unit}}, m.live).changes
	err := newWriter(m.c, m.em, m.lock).delete(ctx, changes)
	if err == nil {
		err = m.c.awaitGone(ctx, m.watcher, unit, changes)
	}
	u := m.unit(unit)
	for _, ch := range changes {
		u.Objects = append(u.Objects, ch.result())
	}
	if err != nil {
		u.Outcome = Failed
	}
	return err
}

// awaitGone returns when the deleted objects of changes are gone, and with them the
// pods of the unit.
func (c *Client) awaitGone(ctx context.Context, w *watcher, unit string, changes []*change) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, ch := range changes {
		if ch.action == ActionDelete && ch.done {
			g.Go(func() error { return c.objectGone(gctx, ch.ref, ch.live.GetUID()) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return w.podsGone(ctx, unit, goesWith(c, changes))
}

// objectGone watches one object until it is gone. Most are at the first look;
// one with a finalizer, or that waits for its pods, takes longer.
func (c *Client) objectGone(ctx context.Context, ref Ref, uid types.UID) error {
	r, err := c.resource(ref)
	if err != nil {
		return err
	}
	for {
		o, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && o.GetUID() != uid {
			return nil
		}
		if err != nil && !isPassing(err) {
			return c.typed(err, ref, nil)
		}
		c.objectMoves(ctx, r, o, ref.Name)
		if ctx.Err() != nil {
			if err != nil {
				return c.typed(err, ref, nil)
			}
			return fmt.Errorf("%s is not gone%s: %w", ref, keptBy(o), context.Cause(ctx))
		}
	}
}

func keptBy(o *unstructured.Unstructured) string {
	if o == nil || len(o.GetFinalizers()) == 0 {
		return ""
	}
	return fmt.Sprintf(" (finalizers %v)", o.GetFinalizers())
}

// objectMoves returns when the object o, which may be nil, changed since it was read, or
// after a pause where it cannot be watched.
func (c *Client) objectMoves(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured, name string) {
	if o == nil {
		pause(ctx, again)
		return
	}
	w, err := r.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: o.GetResourceVersion()})
	if err != nil {
		pause(ctx, again)
		return
	}
	defer w.Stop()
	select {
	case <-w.ResultChan():
	case <-ctx.Done():
	}
}

// podsGone returns when the unit has no pods and no ReplicaSets but those that
// nothing deletes: somebody else made them, with the unit's labels. Those are
// warned of.
func (w *watcher) podsGone(ctx context.Context, unit string, goes *going) error {
	if err := w.synced(ctx); err != nil {
		return err
	}
	news, stop := w.listen()
	defer stop()
	for {
		left, strangers := w.leftOf(ctx, unit, goes)
		if len(left) == 0 {
			if len(strangers) > 0 {
				w.em.emit(Event{Kind: EventWarning, Unit: unit, Message: strings.Join(strangers, ", ") + " has its labels, was not made by what was deleted, and stays"})
			}
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%v of %s are not gone: %w", left, unit, context.Cause(ctx))
		}
		if failed, _ := w.state(); failed != nil {
			return failed
		}
	}
}

// leftOf lists the pods and ReplicaSets of the unit that are on their way out, and
// those that are not.
func (w *watcher) leftOf(ctx context.Context, unit string, goes *going) (left, strangers []string) {
	for _, s := range []*watched{w.pods, w.replicaSets} {
		for _, o := range s.List() {
			m, ok := o.(metav1.Object)
			if !ok || unitOf(m) != unit {
				continue
			}
			name := "ReplicaSet " + m.GetName()
			if _, pod := o.(*corev1.Pod); pod {
				name = "Pod " + m.GetName()
			}
			if goes.with(ctx, m) {
				left = append(left, name)
			} else {
				strangers = append(strangers, name)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(strangers)
	return left, strangers
}

// going tells what goes with deleted objects, as the garbage collector will find
// (https://kubernetes.io/docs/concepts/architecture/garbage-collection).
type going struct {
	c    *Client
	gone map[types.UID]bool // what was deleted, and what its owners lead to
}

func goesWith(c *Client, changes []*change) *going {
	g := &going{c: c, gone: map[types.UID]bool{}}
	for _, ch := range changes {
		if ch.action == ActionDelete && ch.done {
			g.gone[ch.live.GetUID()] = true
		}
	}
	return g
}

// with reports whether o is on its way out: it is being deleted, or its controller
// is, or is no more. One that cannot be looked up is taken to be.
func (g *going) with(ctx context.Context, o metav1.Object) bool {
	if o.GetDeletionTimestamp() != nil {
		return true
	}
	owner := metav1.GetControllerOf(o)
	if owner == nil {
		return false
	}
	if goes, known := g.gone[owner.UID]; known {
		return goes
	}
	goes := true
	if m, err := g.c.kinds.mapping(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)); err == nil {
		live, err := g.c.metadata.Resource(m.Resource).Namespace(o.GetNamespace()).Get(ctx, owner.Name, metav1.GetOptions{})
		goes = err != nil || live.UID != owner.UID || g.with(ctx, live)
	}
	g.gone[owner.UID] = goes
	return goes
}
