package apply

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
)

// stateSecret is one Secret of an intent or an outcome, without its content.
type stateSecret struct{ name, deploy string }

// records lists the Secrets of all intents and outcomes. Only their metadata is
// asked for: what they hold may be large.
func (s store) records(ctx context.Context) ([]stateSecret, error) {
	kind, err := labels.NewRequirement(labelState, selection.In, []string{"intent", "outcome"})
	if err != nil {
		return nil, err
	}
	app, err := labels.NewRequirement(labelApp, selection.Equals, []string{s.c.owner.App})
	if err != nil {
		return nil, err
	}
	list, err := s.c.metadata.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(s.c.owner.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: labels.NewSelector().Add(*app, *kind).String()})
	if err != nil {
		return nil, s.c.typed(err, s.ref(""), nil)
	}
	out := make([]stateSecret, 0, len(list.Items))
	for i := range list.Items {
		o := &list.Items[i]
		out = append(out, stateSecret{name: o.Name, deploy: o.Labels[labelDeploy]})
	}
	return out, nil
}

// sweep deletes of the records those that the index does not refer to. They must
// have been listed before ix was read: a deploy takes its lock in the index
// before it writes its intent, so none that runs can be among them.
func (s store) sweep(ctx context.Context, listed []stateSecret, ix *index) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, r := range listed {
		if ix.refersTo(r.deploy) {
			continue
		}
		g.Go(func() error {
			err := repeat(gctx, func(bool) error {
				return s.c.core.Secrets(s.c.owner.Namespace).Delete(gctx, r.name, metav1.DeleteOptions{})
			})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return s.c.typed(err, s.ref(r.name), nil)
		})
	}
	return g.Wait()
}

// seenLease is the Lease of another deploy, and when it was first seen like this.
type seenLease struct {
	lease *coordinationv1.Lease
	at    time.Time
}

// A Lease that has not moved for forgotten times its duration is of a holder that
// is dead.
const forgotten = 4

// deadLeases deletes the Leases of others whose holders are dead, and returns the
// rest. A deploy that was killed before any unit pointed to its Lease, or after none
// did any more, leaves one that nobody waits for.
func (l *lock) deadLeases(ctx context.Context) ([]seenLease, error) {
	leases, err := l.c.listLeases(ctx)
	if err != nil {
		return nil, err
	}
	var out []seenLease
	for i := range leases {
		lease := &leases[i]
		if lease.Name == l.lease.Name {
			continue
		}
		if !l.c.isDead(lease) && !longStill(lease, l.lease.CreationTimestamp.Time) {
			out = append(out, seenLease{lease: lease, at: time.Now()})
			continue
		}
		if err := l.c.removeLease(ctx, lease); err != nil && !apierrors.IsConflict(err) && !isPassing(err) {
			return nil, err
		}
	}
	return out, nil
}

// isDead reports whether the holder of a Lease is known to be dead.
func (c *Client) isDead(lease *coordinationv1.Lease) bool {
	return parseProcess(lease.Annotations[annotationProcess]).liveness() == dead
}

// longStill reports whether a Lease was last moved long before now. Both times are
// the API server's: it writes into managedFields when somebody wrote. What the
// holder says of its own time counts for nothing.
func longStill(lease *coordinationv1.Lease, now time.Time) bool {
	moved := lease.CreationTimestamp.Time
	known := false
	for _, f := range lease.ManagedFields {
		if f.Time != nil {
			known = true
			if f.Time.After(moved) {
				moved = f.Time.Time
			}
		}
	}
	return known && now.Sub(moved) > forgotten*durationOf(lease)
}

// removeStill deletes those of the Leases seen at the start that have not moved for
// their whole duration since.
func (l *lock) removeStill(ctx context.Context) {
	for _, seen := range l.others {
		if time.Since(seen.at) > durationOf(seen.lease) {
			// One that moved since makes a conflict, and stays.
			_ = l.c.removeLease(ctx, seen.lease)
		}
	}
}
