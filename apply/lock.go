package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// acquire takes the lock of units for deploy and returns the index as it is then.
// snap is the index that the caller decided on: when the lock says that it is
// outdated, the caller has to look at everything again. also is part of the same write, and may
// refuse it.
func (c *Client) acquire(ctx context.Context, em *emitter, snap *snapshot, deploy string, units []string, wait time.Duration, also func(*index) error) (*lock, *snapshot, error) {
	l, err := c.lock(ctx, deploy, units)
	if err != nil {
		return nil, nil, err
	}
	deadline := time.Now().Add(wait)
	var writing failure
	gone := map[string]bool{} // deploys whose Lease does not exist
	renewable := l.renewable(ctx)
	defer func() { _ = renewable() }() // until it has ended
	patience := c.beforeChange(ctx)
	for {
		var held *LockedError
		var takeovers []Event
		err := l.hold(ctx)
		var next *snapshot
		if err == nil {
			next, err = store{c}.swap(l.fenced(ctx), snap, func(ix *index) error {
				if held, takeovers = l.take(ix, gone); held != nil {
					return held
				}
				return also(ix)
			})
		}
		if errors.Is(err, errStale) {
			continue
		}
		if err != nil && isPassing(err) && !writing.outlasts(patience(err)) && pause(ctx, again) {
			snap = nil // it may have been written
			continue
		}
		if err == nil {
			err = renewable()
		}
		if err == nil {
			err = ctx.Err() // asked to stop while the lock was written
		}
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
			l.waited = true
			if err = c.awaitHolder(ctx, em, held, deadline); err == nil {
				gone[held.DeployID] = true
				snap, writing = nil, failure{}
				continue
			}
		}
		l.giveUp(ctx, held == nil)
		return nil, nil, notTaken(store{c}.ref(store{c}.indexName()), err)
	}
}

// outdated reports whether somebody may have changed something since the caller
// read the index in version looked: snap is the index as the lock was taken in it.
// A holder that was killed has changed objects, and not the index.
func (l *lock) outdated(snap *snapshot, looked string) bool {
	return l.waited || snap.base != looked
}

// take points the units to this lock, or names who holds one of them. The locks
// of deploys that are gone are taken over.
func (l *lock) take(ix *index, gone map[string]bool) (held *LockedError, takeovers []Event) {
	for _, name := range l.units {
		u := ix.Units[name]
		if u != nil && u.Lock != nil && u.Lock.Deploy != l.deploy && !gone[u.Lock.Deploy] {
			return &LockedError{Unit: name, Holder: u.Lock.By, DeployID: u.Lock.Deploy, Since: u.Lock.Since}, nil
		}
	}
	for _, name := range l.units {
		u := ix.Units[name]
		if u == nil {
			u = &unitState{Source: l.c.owner.Source, State: StateRemoved}
			ix.Units[name] = u
		}
		if u.Lock != nil && u.Lock.Deploy != l.deploy {
			dead := &LockedError{Holder: u.Lock.By, DeployID: u.Lock.Deploy}
			takeovers = append(takeovers, Event{Kind: EventTakeover, Unit: name, Message: dead.holder()})
		}
		u.Lock = &unitLock{Deploy: l.deploy, By: l.c.owner.By, Since: now()}
	}
	return nil, takeovers
}

func (e *LockedError) holder() string {
	if e.Holder == "" {
		return "deploy " + e.DeployID
	}
	return fmt.Sprintf("%s (deploy %s)", e.Holder, e.DeployID)
}

// awaitHolder returns nil when the Lease of the holder is gone: it ended, or is
// dead, which is seen by its process, or by its Lease not moving for the whole
// of its duration as observed from here: a process that is there and was stopped
// is as good as dead. It returns held when the holder is known to be alive and
// deadline has passed; or when nobody can tell, and its Lease lasts for longer than
// those of shipit do.
func (c *Client) awaitHolder(ctx context.Context, em *emitter, held *LockedError, deadline time.Time) error {
	name := leaseName(c.owner.App, held.DeployID)
	told := false
	var last *coordinationv1.Lease
	moved := time.Now()
	enough := moved.Add(usualLease().duration)
	if enough.Before(deadline) {
		enough = deadline
	}
	for {
		lease, err := c.leases.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return c.typed(err, leaseRef(c, name), nil)
		}
		if err := leaseHeader(lease).readable(leaseRef(c, name)); err != nil {
			return err
		}
		known := parseProcess(lease.Annotations[annotationProcess]).liveness()
		if last != nil && last.ResourceVersion != lease.ResourceVersion {
			moved, known = time.Now(), alive
		}
		last = lease
		expires := moved.Add(durationOf(lease))
		if known == dead || !time.Now().Before(expires) {
			err := c.removeLease(ctx, lease)
			if isPassing(err) && pause(ctx, again) || apierrors.IsConflict(err) {
				continue // ask again, or it moved at the last moment
			}
			return err
		}
		if known == alive && !time.Now().Before(deadline) || !time.Now().Before(enough) {
			return held
		}
		if !told {
			told = true
			em.emit(Event{Kind: EventLockWait, Unit: held.Unit, Message: held.holder()})
		}
		until := expires
		if known == alive && deadline.Before(until) {
			until = deadline
		}
		if enough.Before(until) {
			until = enough
		}
		if err := c.leaseMoves(ctx, lease, until); err != nil {
			return err
		}
	}
}

// leaseMoves returns when lease changed, or at until; soon, when it cannot be
// watched.
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
	if err != nil {
		pause(ctx, again) // it is asked for all the same
	}
	return nil
}

var errTimeIsUp = errors.New("time is up")

// removeLease deletes the Lease of a dead deploy. A conflict says that it moved
// after all.
func (c *Client) removeLease(ctx context.Context, lease *coordinationv1.Lease) error {
	err := c.leases.Delete(ctx, lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
		UID: ptrTo(lease.UID), ResourceVersion: ptrTo(lease.ResourceVersion),
	}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return c.typed(err, leaseRef(c, lease.Name), nil)
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

// free reports whether nobody holds any unit of the lock.
func (l *lock) free(ix *index) bool {
	return !slices.ContainsFunc(l.units, func(name string) bool { return ix.Units[name] != nil && ix.Units[name].Lock != nil })
}

// lockKept is what is said of a lock that release could not give back.
var lockKept = fmt.Sprintf("the lock could not be released, and the next deploy waits until it has expired (%s)", usualLease().duration)

// release lets the units go and drops the lease.
func (l *lock) release(ctx context.Context) error {
	err := repeat(ctx, func(again bool) error {
		_, err := store{l.c}.swap(ctx, nil, func(ix *index) error {
			if again && l.free(ix) {
				return nil
			}
			if err := l.owns(ix); err != nil {
				return err
			}
			l.unlock(ix)
			return nil
		})
		return err
	})
	l.drop(ctx)
	return err
}

// giveUp ends a lock that was not got. The index may point to it all the same,
// when the answer to the last write did not arrive.
func (l *lock) giveUp(ctx context.Context, unknown bool) {
	ctx, cancel := hurry(context.WithoutCancel(ctx), renewEvery)
	defer cancel()
	if unknown {
		// When it does not point here, there is nothing to release.
		_ = l.release(ctx)
		return
	}
	l.drop(ctx)
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
