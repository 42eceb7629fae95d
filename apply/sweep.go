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

// deadLeases deletes the Leases whose process is dead, and returns the others. A
// deploy that was killed before any unit pointed to its Lease, or after none did
// any more, leaves one that nobody waits for.
func (c *Client) deadLeases(ctx context.Context) ([]seenLease, error) {
	list, err := c.leases.List(ctx, metav1.ListOptions{LabelSelector: store{c}.selector()})
	if apierrors.IsForbidden(err) {
		return nil, nil // tidiness is not worth a permission
	}
	if err != nil {
		return nil, c.typed(err, leaseRef(c, ""), nil)
	}
	var out []seenLease
	for i := range list.Items {
		lease := &list.Items[i]
		if parseProcess(lease.Annotations[annotationProcess]).liveness() != dead {
			out = append(out, seenLease{lease: lease, at: time.Now()})
			continue
		}
		if err := c.removeLease(ctx, lease); err != nil && !apierrors.IsConflict(err) && !isPassing(err) {
			return nil, err
		}
	}
	return out, nil
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
