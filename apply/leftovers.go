package apply

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// A deploy that is killed before it has written its first index, and a deletion
// that is killed after it has deleted the index, leave what no index refers to: a
// Lease, records, the namespace. A deletion of the whole app removes them.

// tidy removes what is left of an app that has neither an index nor an object. It
// returns true when it had to wait for somebody who deploys: then there may be both.
func (d *deleter) tidy(ctx context.Context) (again bool, err error) {
	s := store{d.c}
	listed, err := s.records(ctx)
	if err != nil {
		return false, err
	}
	removed, waited, err := d.awaitLeases(ctx)
	if err != nil || waited {
		return waited, err
	}
	// A record is written by the holder of a Lease, once the index is there. With
	// neither, the records that were there before are of nobody.
	if d.snap, err = s.read(ctx); err != nil || d.snap.version != "" {
		return true, err
	}
	if err := s.sweep(ctx, listed, &index{}); err != nil {
		return false, err
	}
	for _, r := range listed {
		removed = append(removed, s.ref(r.name))
	}
	for _, ref := range removed {
		d.em.emit(Event{Kind: EventApplied, Object: &ref, Action: ActionDelete})
	}
	if err := d.c.removeNamespace(ctx, d.em); err != nil {
		return false, err
	}
	exists, err := d.c.namespaceExists(ctx)
	if err != nil {
		return false, err
	}
	d.result.Outcome = Unchanged
	if len(removed) > 0 || !exists {
		d.result.Outcome = Removed
	}
	if err := leftError(d.c.owner.App, d.lost.unsure); err != nil {
		d.result.Outcome = Failed
		return false, err
	}
	return false, nil
}

// awaitLeases removes the app's Leases whose holders are dead, and waits for the
// others as for the holder of a lock.
func (d *deleter) awaitLeases(ctx context.Context) (removed []Ref, waited bool, err error) {
	leases, err := d.c.listLeases(ctx)
	if err != nil {
		return nil, false, err
	}
	deadline := time.Now().Add(d.req.LockWait)
	for i := range leases {
		lease := &leases[i]
		held := &LockedError{Unit: d.c.owner.App, DeployID: lease.Labels[labelDeploy]}
		if by := lease.Spec.HolderIdentity; by != nil {
			held.Holder = *by
		}
		if since := lease.Spec.AcquireTime; since != nil {
			held.Since = since.Time
		}
		dead := d.c.isDead(lease)
		if err := d.c.awaitHolder(ctx, d.em, held, deadline); err != nil {
			return nil, false, err
		}
		if removed = append(removed, leaseRef(d.c, lease.Name)); !dead {
			waited = true
		}
	}
	return removed, waited, nil
}

// leave removes the namespace of an app of which nothing is left. Of a Lease that
// is there still, it observes first whether its holder is alive.
func (d *deleter) leave(ctx context.Context, others []seenLease) error {
	for _, seen := range others {
		if err := d.c.outlast(ctx, seen); err != nil {
			return err
		}
	}
	return d.c.removeNamespace(ctx, d.em)
}

// outlast deletes a Lease if it does not move for its whole duration.
func (c *Client) outlast(ctx context.Context, seen seenLease) error {
	until := seen.at.Add(durationOf(seen.lease))
	for time.Now().Before(until) {
		lease, err := c.leases.Get(ctx, seen.lease.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && lease.ResourceVersion != seen.lease.ResourceVersion {
			return nil
		}
		if err != nil {
			return c.typed(err, leaseRef(c, seen.lease.Name), nil)
		}
		if err := c.leaseMoves(ctx, lease, until); err != nil {
			return err
		}
	}
	err := c.removeLease(ctx, seen.lease)
	if apierrors.IsConflict(err) {
		return nil // it moved
	}
	return err
}

// listLeases lists the Leases of the app.
func (c *Client) listLeases(ctx context.Context) ([]coordinationv1.Lease, error) {
	list, err := c.leases.List(ctx, metav1.ListOptions{LabelSelector: store{c}.selector()})
	if apierrors.IsForbidden(err) {
		return nil, nil // tidiness is not worth a permission
	}
	if err != nil {
		return nil, c.typed(err, leaseRef(c, ""), nil)
	}
	return list.Items, nil
}

// liveOfAll adds to live what carries the app's labels of all kinds of the cluster
// that are not among listed: where the index is lost, nothing tells of which kinds
// there are some. Kinds that the caller may not list are left out: they were not
// deployed by the same rights. So are objects that go with their owners.
func (c *Client) liveOfAll(ctx context.Context, listed []kindRef, live map[objectKey]*unstructured.Unstructured) error {
	resources, err := c.kinds.others(listed)
	if err != nil {
		return c.typed(err, Ref{}, nil)
	}
	found := make([][]unstructured.Unstructured, len(resources))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, r := range resources {
		g.Go(func() error {
			namespace := ""
			if r.namespaced {
				namespace = c.owner.Namespace
			}
			list, err := c.dyn.Resource(r.GroupVersionResource).Namespace(namespace).List(gctx, metav1.ListOptions{LabelSelector: c.selector()})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) || apierrors.IsForbidden(err) {
				return nil
			}
			if err != nil {
				return c.typed(err, Ref{}, nil)
			}
			found[i] = list.Items
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range found {
		for j := range found[i] {
			if o := &found[i][j]; len(o.GetOwnerReferences()) == 0 {
				live[keyOfObject(o)] = o
			}
		}
	}
	return nil
}

type scopedResource struct {
	schema.GroupVersionResource
	namespaced bool
}

// others are the resources that somebody could have made objects of, but for those
// of the kinds listed and those that are derived from what else is there. A group
// that does not answer is left out.
func (k *kinds) others(listed []kindRef) ([]scopedResource, error) {
	lists, err := discovery.ServerPreferredResources(k.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	known := map[schema.GroupResource]bool{{Resource: "endpoints"}: true, {Resource: "events"}: true}
	for _, kind := range listed {
		if m, err := k.mapping(schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)); err == nil {
			known[m.Resource.GroupResource()] = true
		}
	}
	var out []scopedResource
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create", "delete"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			gvr := gv.WithResource(r.Name)
			if known[gvr.GroupResource()] || slices.Contains([]string{"endpointslices", "events"}, r.Name) {
				continue
			}
			out = append(out, scopedResource{gvr, r.Namespaced})
		}
	}
	return out, nil
}
