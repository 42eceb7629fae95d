package apply

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// renewEvery is how often a running deploy moves its Lease, and how long one
// request for that may take.
const renewEvery = 5 * time.Second

// leaseTimes are those of the Leases that a Client makes. Before a write the
// Lease is renewed unless it was within trusted: short of the duration, so that
// the write itself still falls into it.
type leaseTimes struct{ duration, trusted, renew time.Duration }

func usualLease() leaseTimes {
	return leaseTimes{duration: 15 * time.Second, trusted: 10 * time.Second, renew: renewEvery}
}

const (
	annotationProcess = "shipit.dev/process"
	annotationFormat  = "shipit.dev/format-version"
	annotationVersion = "shipit.dev/written-by"
)

// lock is a running deploy's hold on its units. It has one Lease, to which the
// units point from the index. Who wants the lock of a dead deploy deletes its
// Lease first, so a holder that can still renew its own knows that nobody took
// over.
type lock struct {
	c      *Client
	deploy string
	units  []string
	dead   []string // deploys whose lock was taken over
	waited bool     // for another holder of a unit, who may have changed anything until then

	mu      sync.Mutex // guards lease, renewed and lost, and orders renewals
	lease   *coordinationv1.Lease
	renewed time.Time
	lost    error
	gone    chan struct{} // closed when lost is set

	stop    context.CancelFunc
	done    chan struct{}
	dropped sync.Once
	others  []seenLease // Leases of others when this one was made
}

// lock makes a Lease for deploy and keeps it moving until it is dropped. Leases
// whose holders are dead go.
func (c *Client) lock(ctx context.Context, deploy string, units []string) (*lock, error) {
	l := &lock{c: c, deploy: deploy, units: units, done: make(chan struct{}), gone: make(chan struct{})}
	if err := l.create(ctx); err != nil {
		return nil, err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.keep(renewing)
	var err error
	if l.others, err = l.deadLeases(ctx); err != nil {
		l.drop(context.WithoutCancel(ctx))
		return nil, err
	}
	return l, nil
}

func leaseName(app, deploy string) string { return "shipit-" + app + "-" + deploy }

func leaseRef(c *Client, name string) Ref {
	return Ref{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: c.owner.Namespace, Name: name}
}

// leaseHeader reads what a record has as its header. A Lease whose annotations
// somebody took is judged by its spec, which is Kubernetes' own.
func leaseHeader(l *coordinationv1.Lease) header {
	version, err := strconv.Atoi(l.Annotations[annotationFormat])
	if err != nil {
		version = 1
	}
	return header{FormatVersion: version, WrittenBy: l.Annotations[annotationVersion]}
}

// longestLease is what is believed of a Lease at most: somebody who may write Leases,
// and nothing else, must not keep others waiting for longer.
const longestLease = time.Minute

func durationOf(l *coordinationv1.Lease) time.Duration {
	if s := l.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		return min(time.Duration(*s)*time.Second, longestLease)
	}
	return usualLease().duration
}

func (l *lock) newLease() *coordinationv1.Lease {
	c := l.c
	holder := c.owner.By
	if holder == "" {
		holder = "shipit"
	}
	head := c.header()
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: leaseName(c.owner.App, l.deploy), Namespace: c.owner.Namespace, Labels: store{c}.labels("lease", l.deploy),
			Annotations: map[string]string{
				annotationFormat:  strconv.Itoa(head.FormatVersion),
				annotationVersion: head.WrittenBy,
				annotationProcess: thisProcess().String(),
			},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       &holder,
			LeaseDurationSeconds: ptrTo(int32(c.times.duration / time.Second)),
			AcquireTime:          ptrTo(metav1.NowMicro()),
			RenewTime:            ptrTo(metav1.NowMicro()),
		},
	}
}

func (l *lock) create(ctx context.Context) error {
	lease := l.newLease()
	whole, cancel := finishing(ctx)
	defer cancel()
	asked := time.Now()
	var got *coordinationv1.Lease
	err := repeatFor(ctx, l.c.beforeChange(ctx), func(again bool) (err error) {
		got, err = l.c.leases.Create(whole, lease, metav1.CreateOptions{FieldManager: l.c.owner.Manager()})
		if again && apierrors.IsAlreadyExists(err) {
			if there, _ := l.c.leases.Get(whole, lease.Name, metav1.GetOptions{}); there != nil && maps.Equal(there.Annotations, lease.Annotations) {
				got, err = there, nil
			}
		}
		return err
	})
	if err == nil && ctx.Err() != nil {
		_ = l.c.leases.Delete(whole, lease.Name, metav1.DeleteOptions{})
		return context.Cause(ctx)
	}
	if err != nil {
		ref := leaseRef(l.c, lease.Name)
		return notTaken(ref, l.c.typed(err, ref, nil))
	}
	l.lease, l.renewed = got, asked
	return nil
}

// keep renews the lease until stopped or lost.
func (l *lock) keep(ctx context.Context) {
	defer close(l.done)
	t := time.NewTicker(l.c.times.renew)
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
	return errors.New("the lease keeps changing")
}

// age is how long ago the lease was last known to be ours.
func (l *lock) age() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The monotonic clock stands still while a laptop sleeps.
	return max(time.Since(l.renewed), time.Now().Round(0).Sub(l.renewed.Round(0))), l.lost
}

// hold returns nil when the lock is certainly held now: every write asks. A
// process that was stopped, or cut off, for longer than the lease lasts finds
// out here before it overwrites what its successor did.
func (l *lock) hold(ctx context.Context) error {
	age, lost := l.age()
	if lost != nil {
		return lost
	}
	if age < l.c.times.trusted {
		return nil
	}
	return l.renew(ctx)
}

// errStale ends a request that was made ready while the lock was held and would
// be sent when it may no longer be: the process was stopped between. Nothing was
// sent; hold tells what is true.
var errStale = errors.New("the lease was not renewed in time")

type fenceKey struct{}

// fenced marks the requests made under ctx as writes of the lock's holder.
func (l *lock) fenced(ctx context.Context) context.Context {
	return context.WithValue(ctx, fenceKey{}, l)
}

// fence is the last look at the clock before a request leaves the process.
type fence struct{ next http.RoundTripper }

func (f fence) RoundTrip(req *http.Request) (*http.Response, error) {
	if l, ok := req.Context().Value(fenceKey{}).(*lock); ok {
		if age, lost := l.age(); lost != nil || age >= l.c.times.duration {
			return nil, errStale
		}
	}
	return f.next.RoundTrip(req)
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
	l.dropped.Do(func() {
		l.stop()
		<-l.done
		if l.lost != nil {
			return
		}
		ctx, cancel := hurry(ctx, retryFor)
		defer cancel()
		// A lease that stays behind harms nobody: no unit points to it.
		_ = repeat(ctx, func(bool) error {
			return l.c.leases.Delete(ctx, l.lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptrTo(l.lease.UID)}})
		})
		l.removeStill(ctx)
	})
}
