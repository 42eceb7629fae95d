package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// leaving are the units that go once the others are healthy.
func (m *mover) leaving() []string {
	var out []string
	if m.prune {
		out = m.abandoned()
	}
	for _, name := range m.drops {
		if u := m.snap.Units[name]; u != nil && u.Release > 0 {
			out = append(out, name)
		}
	}
	return out
}

// removeUnits deletes every object of the units that this app applied, and waits
// until they and their pods are gone. What it returns by unit is why not all of it
// is: a DeletingError of what will go by itself, or is kept by a finalizer. The end
// of waits ends only the waiting.
func (m *mover) removeUnits(ctx, waits context.Context, units []string) map[string]error {
	waits, cancel := context.WithTimeout(waits, m.deletionTimeout())
	defer cancel()
	w := newWriter(m.c, m.em, m.lock)
	errs := make([]error, len(units))
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	changes := make([][]*change, len(units))
	for i, unit := range units {
		changes[i] = m.c.unwanted(target{unit: unit, removed: true}, m.plan.wants, m.live)
		g.Go(func() error {
			if errs[i] = w.leaveNamespace(ctx, unit, m.live); errs[i] != nil {
				return nil
			}
			_ = m.watcher.outlastHooks(waits, m.c.leftHooks(m.live, unit), m.deletionTimeout()) // their end is not needed
			if errs[i] = w.delete(ctx, changes[i]); errs[i] == nil {
				errs[i] = m.c.awaitGone(waits, m.watcher, unit, changes[i])
			}
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	out := map[string]error{}
	for i, unit := range units {
		u := m.unit(unit)
		for _, ch := range changes[i] {
			u.Objects = append(u.Objects, ch.result())
		}
		if errs[i] != nil {
			out[unit] = errs[i]
		}
	}
	return out
}

// deletionTimeout is how long what is deleted may take to go.
func (m *mover) deletionTimeout() time.Duration {
	if m.timeout > 0 {
		return m.timeout
	}
	return deleteTimeout
}

// graceFinalizer is how long a deploy waits for what it deleted of a unit that
// stays: nobody needs it to be gone.
const graceFinalizer = 10 * time.Second

// awaitFinalized waits a moment for the deleted objects of moved units that had
// finalizers, and warns of those that stay.
func (m *mover) awaitFinalized(ctx context.Context) {
	timeout := graceFinalizer
	if m.timeout > 0 {
		timeout = min(timeout, m.timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	for _, ch := range m.movedChanges() {
		if ch.action != ActionDelete || !ch.done || len(ch.live.GetFinalizers()) == 0 {
			continue
		}
		g.Go(func() error {
			if ch.err = m.c.objectGone(ctx, nil, ch.unit, ch.ref, ch.live); ch.err != nil {
				m.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ch.ref, Message: "not everything that is no longer wanted is gone", Err: ch.err})
			}
			return nil
		})
	}
	_ = g.Wait()
}

// awaitGone returns when the deleted objects of changes are gone, and with them the
// pods of the unit.
func (c *Client) awaitGone(ctx context.Context, w *watcher, unit string, changes []*change) error {
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	for _, ch := range changes {
		if ch.action == ActionDelete && ch.done {
			g.Go(func() error {
				ch.err = c.objectGone(ctx, w.em, unit, ch.ref, ch.live)
				return nil
			})
		}
	}
	_ = g.Wait() // every error is in its change
	err := w.podsGone(ctx, unit, goesWith(c, changes))
	for _, ch := range changes {
		if ch.err != nil {
			return ch.err
		}
	}
	return err
}

// objectGone watches an object that was deleted until it is gone. Most are at the first look;
// one with a finalizer, or that waits for its pods, takes longer: then em, if there
// is one, says what keeps it.
func (c *Client) objectGone(ctx context.Context, em *emitter, unit string, ref Ref, deleted metav1.Object) error {
	r, err := c.resource(ref)
	if err != nil {
		return err
	}
	last := deleted
	for due := time.Now().Add(tellAfter); ; {
		o, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && o.GetUID() != deleted.GetUID() {
			return nil
		}
		if err == nil {
			last = o
		}
		if ctx.Err() == nil {
			if err != nil && !isPassing(err) {
				return c.typed(err, ref, nil)
			}
			c.objectMoves(ctx, r, o, ref.Name, time.Until(due))
		}
		switch {
		case ctx.Err() != nil && err != nil:
			// The last answer was cut off: it may be gone.
			once, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseFor)
			o, err := r.Get(once, ref.Name, metav1.GetOptions{})
			cancel()
			if apierrors.IsNotFound(err) || err == nil && o.GetUID() != deleted.GetUID() {
				return nil
			}
			if err == nil {
				last = o
			}
			return c.deleting(ctx, ref, last, context.Cause(ctx))
		case ctx.Err() != nil:
			return c.deleting(ctx, ref, last, context.Cause(ctx))
		case !time.Now().Before(due):
			due = time.Now().Add(time.Hour)
			if em != nil && last.GetDeletionTimestamp() != nil && len(last.GetFinalizers()) > 0 {
				em.once(Event{Kind: EventWarning, Unit: unit, Object: &ref, Message: "waiting: " + c.deleting(ctx, ref, last, nil).Error()})
			}
		}
	}
}

// objectMoves returns when the object o, which may be nil, changed since it was read,
// after a pause where it cannot be watched, when its watch says nothing, or when time is
// up.
func (c *Client) objectMoves(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured, name string, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, max(atMost, time.Millisecond))
	defer cancel()
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
	quiet := time.NewTimer(quietAfter) // it may be dead
	defer quiet.Stop()
	select {
	case <-w.ResultChan():
	case <-quiet.C:
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
				w.em.emit(Event{Kind: EventWarning, Unit: unit, Message: "left in place: " + strings.Join(strangers, ", ") + " has this service's labels but was not created by it"})
			}
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return w.stays(unit, left, context.Cause(ctx))
		}
		if failed, _ := w.state(); failed != nil {
			return failed
		}
	}
}

// stays says what keeps the first of the unit's pods that are left.
func (w *watcher) stays(unit string, left []string, why error) error {
	for _, o := range w.pods.List() {
		p := o.(*corev1.Pod)
		if slices.Contains(left, "Pod "+p.Name) && p.DeletionTimestamp != nil {
			return deletingError(Ref{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, p, why)
		}
	}
	return fmt.Errorf("%s of %s did not go: %w", strings.Join(left, ", "), unit, why)
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
