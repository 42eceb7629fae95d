package apply

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// retryFor is how long a write is tried again while the server does not answer,
// or says that it is too busy. Server-side apply and deletion by UID give the
// same result however often they arrive.
const retryFor = 30 * time.Second

// The phases of writes.
const (
	phaseKinds     = iota // what defines kinds, and namespaces
	phaseFirst            // what pods need
	phaseBindings         // of roles, which must be there
	phaseWorkloads        // the pods' workloads
	phaseLast             // what acts on workloads
	phases
)

func phase(ref Ref) int {
	switch {
	case isDefinition(ref), ref.Kind == namespaceKind.Kind && ref.APIVersion == namespaceKind.APIVersion:
		return phaseKinds
	case hasTemplate(kindRef{ref.APIVersion, ref.Kind}):
		return phaseWorkloads
	case isBinding(ref.Kind):
		return phaseBindings
	case ref.Kind == "HorizontalPodAutoscaler":
		return phaseLast
	}
	return phaseFirst
}

// writer applies and deletes under a lock.
type writer struct {
	c        *Client
	em       *emitter
	lock     *lock
	slots    chan struct{} // bounds the requests under way
	patience func(error) time.Duration
	// resolve answers a conflict over fields with the object to apply by force,
	// or nil to let the conflict stand. Without it, conflicts stand.
	resolve func(ch *change, fields []string) *unstructured.Unstructured
	// anew reports whether an object that cannot be changed to what is wanted may be
	// deleted and made. Without it, none may.
	anew   func(ctx context.Context, ch *change) bool
	action Action // reported instead of the planned one, if set
	onward bool   // what fails does not keep the next phase from being written
}

func newWriter(c *Client, em *emitter, l *lock) *writer {
	return &writer{c: c, em: em, lock: l, slots: make(chan struct{}, inFlight), patience: usual}
}

// apply writes creates and updates, phase after phase, everything of a phase in
// flight at once. It goes on to the end of a phase when one fails, or when going
// ends, so that every change says how it ended; the error is the first in the
// plan's order.
func (w *writer) apply(ctx, going context.Context, changes []*change) error {
	var first error
	for n := range phases {
		if going.Err() != nil {
			return context.Cause(going)
		}
		err := w.onePhase(ctx, going, n, changes)
		if first = cmp.Or(first, err); first != nil && !w.onward {
			break
		}
	}
	return first
}

// onePhase writes the changes of one phase, once what it waits for is there.
func (w *writer) onePhase(ctx, going context.Context, n int, changes []*change) error {
	if n == phaseWorkloads {
		err := w.awaitSecrets(going, changes)
		if err == nil || w.onward {
			err = w.unscale(ctx, changes)
		}
		if err != nil && !w.onward {
			return err
		}
	}
	g := &errgroup.Group{}
	for _, ch := range changes {
		if phase(ch.ref) == n && !ch.done && ch.action.writes() {
			g.Go(func() error {
				w.one(ctx, ch)
				return nil
			})
		}
	}
	_ = g.Wait()
	for _, ch := range changes {
		if ch.err != nil && ch.action != ActionDelete {
			return ch.err
		}
	}
	if n == phaseKinds {
		return w.establish(going, changes)
	}
	return nil
}

// delete removes what the plan deletes.
func (w *writer) delete(ctx context.Context, changes []*change) error {
	g := &errgroup.Group{}
	for _, ch := range changes {
		if ch.action != ActionDelete || ch.done {
			continue
		}
		g.Go(func() error {
			ch.err = w.remove(ctx, ch)
			w.tell(ch)
			return nil
		})
	}
	_ = g.Wait()
	for _, ch := range changes {
		if ch.action == ActionDelete && ch.err != nil {
			return ch.err
		}
	}
	return nil
}

func (w *writer) tell(ch *change) {
	action := ch.action
	if w.action != "" && action != ActionDelete {
		action = w.action
	}
	ref := ch.ref
	w.em.emit(Event{Kind: EventApplied, Unit: ch.unit, Object: &ref, Action: action, Err: ch.err})
}

func (w *writer) one(ctx context.Context, ch *change) {
	err := w.take(ctx, ch.ref, ch.take)
	if err == nil && ch.action == ActionReplace {
		err = w.replace(ctx, ch)
	}
	if err == nil && ch.hand == handOver {
		err = w.handOver(ctx, ch)
	}
	if err == nil {
		err = w.write(ctx, ch, ch.desired)
	}
	if w.anew != nil && refusesChange(err) && w.anew(ctx, ch) {
		err = w.makeAnew(ctx, ch)
	}
	if err == nil {
		err = w.handed(ctx, ch)
	}
	ch.err = w.c.typed(err, ch.ref, ch.live)
	w.tell(ch)
}

func (w *writer) write(ctx context.Context, ch *change, desired *unstructured.Unstructured) error {
	err := w.writeOnce(ctx, ch, desired)
	if err != nil && w.resolve != nil && w.clear(ctx, ch, err) {
		err = w.writeOnce(ctx, ch, desired)
	}
	if err == nil {
		err = w.heed(ctx, ch, desired)
	}
	return err
}

func (w *writer) writeOnce(ctx context.Context, ch *change, desired *unstructured.Unstructured) error {
	start := time.Now()
	return w.retry(ctx, func(ctx context.Context) error {
		if ch.lost {
			if err := w.regain(ctx, ch); err != nil {
				return err
			}
		}
		got, err := w.first(ctx, ch, desired)
		if fields := conflictFields(err); ch.onlyReplicas(err) {
			got, err = w.send(ctx, ch.ref, desired, true)
		} else if len(fields) > 0 && w.resolve != nil {
			if o := w.resolve(ch, fields); o != nil {
				got, err = w.send(ctx, ch.ref, o, true)
			}
		}
		if err == nil {
			ch.applied, ch.done = got, true
		}
		if roleMissing(ch.ref, err) {
			return &unseenRoleError{err}
		}
		if ch.redefined && isOfOldDefinition(err) {
			return ch.relearned(err, time.Since(start))
		}
		return err
	})
}

func (w *writer) send(ctx context.Context, ref Ref, o *unstructured.Unstructured, force bool) (*unstructured.Unstructured, error) {
	r, err := w.c.resource(ref)
	if err != nil {
		return nil, err
	}
	return r.Apply(ctx, ref.Name, o, metav1.ApplyOptions{FieldManager: w.c.owner.Manager(), Force: force})
}

// remove deletes the object that was planned, not one that took its name.
func (w *writer) remove(ctx context.Context, ch *change) error {
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err = w.retry(ctx, func(ctx context.Context) error {
		return r.Delete(ctx, ch.ref.Name, metav1.DeleteOptions{
			PropagationPolicy: &background,
			Preconditions:     &metav1.Preconditions{UID: ptrTo(ch.live.GetUID())},
		})
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		ch.done = true
		return nil
	}
	return w.c.typed(err, ch.ref, ch.live)
}

// retry does one write while the lock is held.
func (w *writer) retry(ctx context.Context, do func(context.Context) error) error {
	w.slots <- struct{}{}
	defer func() { <-w.slots }()
	return repeatFor(ctx, w.patience, func(bool) error {
		for {
			err := w.lock.hold(ctx)
			if err == nil {
				err = once(w.lock.fenced(ctx), do)
			}
			if !errors.Is(err, errStale) {
				return err
			}
		}
	})
}

// repeat does one write again while its failure may pass. It says when it is again:
// the write before may have been done, and only its answer not have arrived.
func repeat(ctx context.Context, do func(again bool) error) error {
	return repeatFor(ctx, usual, do)
}

func usual(error) time.Duration { return retryFor }

// repeatFor is repeat with a patience of its own for each error; on the way back it has
// that of the way back. However long one answer was waited for, there is a second try.
func repeatFor(ctx context.Context, patience func(error) time.Duration, do func(again bool) error) error {
	var writing failure
	again, until := false, giveUpAt(ctx, 0)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := do(again)
		if !isPassing(err) || ctx.Err() != nil || writing.outlasts(patience(err)) && time.Now().After(until) {
			return err
		}
		if !pause(ctx, wait) {
			return errors.Join(context.Cause(ctx), err)
		}
		again = true
	}
}

// failure is of something that is tried again.
type failure struct{ since time.Time }

// outlasts reports whether it has failed for longer than patience since it first did.
func (f *failure) outlasts(patience time.Duration) bool {
	if f.since.IsZero() {
		f.since = time.Now()
		return false
	}
	return time.Since(f.since) > patience
}

// isPassing reports whether the same request may succeed a moment later, by what
// the server said, or when it said nothing. What the fence held back never does.
func isPassing(err error) bool {
	return !errors.Is(err, errStale) && (isTransient(err) || isUnreachable(err))
}

func isUnreachable(err error) bool {
	var unreachable *UnreachableError
	return errors.As(err, &unreachable) || !isStatus(err) && isNetwork(err)
}

func isStatus(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}
