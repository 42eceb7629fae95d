package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A running deploy holds one Lease; the units it moves point to it from the
// index. Who wants the lock of a dead deploy deletes its Lease first, so a
// holder that can still renew its own knows that nobody took over.
const (
	leaseDuration = 15 * time.Second
	renewEvery    = 5 * time.Second
	// Before a write the lease is renewed unless it was within this time: short of
	// the duration, so that the write itself still falls into it.
	trustedFor = 10 * time.Second

	annotationProcess = "shipit.dev/process"
)

type lock struct {
	c      *Client
	deploy string
	units  []string
	dead   []string // deploys whose lock was taken over

	mu      sync.Mutex // guards lease and renewed, and orders renewals
	lease   *coordinationv1.Lease
	renewed time.Time
	lost    error
	gone    chan struct{} // closed when lost is set

	stop context.CancelFunc
	done chan struct{}
}

// acquire takes the lock of units for deploy and returns the index as it is then.
// snap is the index that the caller decided on; the returned one differs when
// another deploy changed it meanwhile.
func (c *Client) acquire(ctx context.Context, em *emitter, snap *snapshot, deploy string, units []string, wait time.Duration) (*lock, *snapshot, error) {
	l := &lock{c: c, deploy: deploy, units: units, done: make(chan struct{}), gone: make(chan struct{})}
	if err := l.create(ctx); err != nil {
		return nil, nil, err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.keep(renewing)

	deadline := time.Now().Add(wait)
	gone := map[string]bool{} // deploys whose Lease does not exist
	for {
		var held *LockedError
		var takeovers []Event
		next, err := store{c}.swap(ctx, snap, func(ix *index) error {
			held, takeovers = nil, nil
			for _, name := range units {
				u := ix.Units[name]
				if u != nil && u.Lock != nil && u.Lock.Deploy != deploy && !gone[u.Lock.Deploy] {
					held = &LockedError{Unit: name, Holder: u.Lock.By, DeployID: u.Lock.Deploy, Since: u.Lock.Since}
					return held
				}
			}
			for _, name := range units {
				u := ix.Units[name]
				if u == nil {
					u = &unitState{Source: c.owner.Source, State: StateRemoved}
					ix.Units[name] = u
				}
				if u.Lock != nil && u.Lock.Deploy != deploy {
					dead := &LockedError{Holder: u.Lock.By, DeployID: u.Lock.Deploy}
					takeovers = append(takeovers, Event{Kind: EventTakeover, Unit: name, Message: dead.holder()})
				}
				u.Lock = &unitLock{Deploy: deploy, By: c.owner.By, Since: time.Now().UTC().Truncate(time.Second)}
			}
			return nil
		})
		if err == nil {
			for _, ev := range takeovers {
				em.emit(ev)
			}
			for id := range gone {
				l.dead = append(l.dead, id)
			}
			return l, next, nil
		}
		if held != nil {
			if err = c.awaitHolder(ctx, em, held, deadline); err == nil {
				gone[held.DeployID] = true
				snap = nil
				continue
			}
		}
		l.drop(context.WithoutCancel(ctx))
		return nil, nil, err
	}
}

func (e *LockedError) holder() string {
	if e.Holder == "" {
		return "deploy " + e.DeployID
	}
	return fmt.Sprintf("%s (deploy %s)", e.Holder, e.DeployID)
}

// awaitHolder returns nil when the Lease of the holder is gone: it ended, or is
// dead, which is seen by its process, or by its Lease not moving for the whole
// of its duration as observed from here. It returns held when the holder is
// known to be alive and deadline has passed.
func (c *Client) awaitHolder(ctx context.Context, em *emitter, held *LockedError, deadline time.Time) error {
	name := leaseName(c.owner.App, held.DeployID)
	told := false
	var last *coordinationv1.Lease
	moved := time.Now()
	for {
		lease, err := c.leases.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return c.typed(err, leaseRef(c, name), nil)
		}
		known := parseProcess(lease.Annotations[annotationProcess]).liveness()
		if last != nil && last.ResourceVersion != lease.ResourceVersion {
			moved, known = time.Now(), alive
		}
		last = lease
		if known == dead || known != alive && time.Since(moved) >= leaseDuration {
			return c.removeLease(ctx, lease)
		}
		if known == alive && !time.Now().Before(deadline) {
			return held
		}
		if !told {
			told = true
			em.emit(Event{Kind: EventLockWait, Unit: held.Unit, Message: held.holder()})
		}
		until := moved.Add(leaseDuration)
		if known == alive && deadline.Before(until) {
			until = deadline
		}
		if err := c.leaseMoves(ctx, lease, until); err != nil {
			return err
		}
	}
}

// leaseMoves returns when lease changed, or at until.
func (c *Client) leaseMoves(ctx context.Context, lease *coordinationv1.Lease, until time.Time) error {
	ctx, cancel := context.WithDeadlineCause(ctx, until, errTimeIsUp)
	defer cancel()
	w, err := c.leases.Watch(ctx, metav1.ListOptions{
		FieldSelector:   "metadata.name=" + lease.Name,
		ResourceVersion: lease.ResourceVersion,
	})
	if err == nil {
		defer w.Stop()
		select {
		case <-w.ResultChan(): // changed, deleted, or the watch ended: ask again
		case <-ctx.Done():
		}
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errTimeIsUp) {
		return cause
	}
	if err != nil && ctx.Err() == nil {
		return c.typed(err, leaseRef(c, lease.Name), nil)
	}
	return nil
}

var errTimeIsUp = errors.New("time is up")

// removeLease deletes the Lease of a dead deploy, unless it moved after all.
func (c *Client) removeLease(ctx context.Context, lease *coordinationv1.Lease) error {
	err := c.leases.Delete(ctx, lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
		UID: ptrTo(lease.UID), ResourceVersion: ptrTo(lease.ResourceVersion),
	}})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		return fmt.Errorf("taking over lease %s: it moved: %w", lease.Name, err)
	}
	return c.typed(err, leaseRef(c, lease.Name), nil)
}

func leaseName(app, deploy string) string { return "shipit-" + app + "-" + deploy }

func leaseRef(c *Client, name string) Ref {
	return Ref{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: c.owner.Namespace, Name: name}
}

func (l *lock) create(ctx context.Context) error {
	c, name := l.c, leaseName(l.c.owner.App, l.deploy)
	holder := c.owner.By
	if holder == "" {
		holder = "shipit"
	}
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: c.owner.Namespace, Labels: store{c}.labels("lease"),
			Annotations: map[string]string{annotationProcess: thisProcess().String()},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       &holder,
			LeaseDurationSeconds: ptrTo(int32(leaseDuration / time.Second)),
			AcquireTime:          ptrTo(metav1.NowMicro()),
			RenewTime:            ptrTo(metav1.NowMicro()),
		},
	}
	asked := time.Now()
	got, err := c.leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: c.owner.Manager()})
	if err != nil {
		return c.typed(err, leaseRef(c, name), nil)
	}
	l.lease, l.renewed = got, asked
	return nil
}

// keep renews the lease until stopped or lost.
func (l *lock) keep(ctx context.Context) {
	defer close(l.done)
	t := time.NewTicker(renewEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			var lost *LockLostError
			if errors.As(l.renew(ctx), &lost) {
				return
			}
		}
	}
}

// renew moves the lease. A LockLostError is final; after any other error the
// lock may still be ours, and the next renewal tells.
func (l *lock) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	asked := time.Now()
	for range 3 {
		next := l.lease.DeepCopy()
		next.Spec.RenewTime = ptrTo(metav1.NowMicro())
		got, err := l.c.leases.Update(ctx, next, metav1.UpdateOptions{FieldManager: l.c.owner.Manager()})
		if err == nil {
			l.lease, l.renewed = got, asked
			return nil
		}
		if apierrors.IsConflict(err) {
			// Perhaps our own renewal, whose answer did not arrive.
			got, err = l.c.leases.Get(ctx, l.lease.Name, metav1.GetOptions{})
			if err == nil && got.UID == l.lease.UID {
				l.lease = got
				continue
			}
			if err == nil {
				err = apierrors.NewNotFound(coordinationv1.Resource("leases"), l.lease.Name)
			}
		}
		if apierrors.IsNotFound(err) {
			l.lost = &LockLostError{Err: err}
			close(l.gone)
			return l.lost
		}
		return l.c.typed(err, leaseRef(l.c, l.lease.Name), nil)
	}
	return &LockLostError{Err: errors.New("the lease keeps changing")}
}

// hold returns nil when the lock is certainly held now: every write asks. A
// process that was stopped, or cut off, for longer than the lease lasts finds
// out here before it overwrites what its successor did.
func (l *lock) hold(ctx context.Context) error {
	l.mu.Lock()
	lost := l.lost
	since := time.Since(l.renewed)
	// The monotonic clock stands still while a laptop sleeps.
	since = max(since, time.Now().Round(0).Sub(l.renewed.Round(0)))
	l.mu.Unlock()
	if lost != nil {
		return lost
	}
	if since < trustedFor {
		return nil
	}
	return l.renew(ctx)
}

// during is ctx until the lock is lost: then its cause says so.
func (l *lock) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-l.gone:
			cancel(l.lost)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// drop ends the renewal and removes the lease. The index must not point to it
// any more, or the next deploy finds a lock whose holder is gone: a takeover.
func (l *lock) drop(ctx context.Context) {
	l.stop()
	<-l.done
	if l.lost != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	// A lease that stays behind harms nobody: no unit points to it.
	_ = l.c.leases.Delete(ctx, l.lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptrTo(l.lease.UID)}})
}

// owns reports whether every unit of the lock still points to it.
func (l *lock) owns(ix *index) error {
	for _, name := range l.units {
		u := ix.Units[name]
		if u == nil || u.Lock == nil || u.Lock.Deploy != l.deploy {
			return &LockLostError{Err: fmt.Errorf("%s was taken over", name)}
		}
	}
	return nil
}

// release lets the units go and drops the lease.
func (l *lock) release(ctx context.Context, snap *snapshot) (*snapshot, error) {
	next, err := store{l.c}.swap(ctx, snap, func(ix *index) error {
		if err := l.owns(ix); err != nil {
			return err
		}
		l.unlock(ix)
		return nil
	})
	l.drop(ctx)
	return next, err
}

// unlock takes the lock out of ix, and units that came to be only for it.
func (l *lock) unlock(ix *index) {
	for name, u := range ix.Units {
		if !slices.Contains(l.units, name) {
			continue
		}
		u.Lock = nil
		if u.Last == 0 {
			delete(ix.Units, name)
		}
	}
}

func ptrTo[T any](v T) *T { return &v }
