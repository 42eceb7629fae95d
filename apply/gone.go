package apply

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// awaitGone returns when the deleted objects of changes and all pods of the unit
// are gone.
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
	return w.podsGone(ctx, unit)
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
		if err != nil {
			return c.typed(err, ref, nil)
		}
		w, err := r.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + ref.Name, ResourceVersion: o.GetResourceVersion()})
		if err != nil {
			return c.typed(err, ref, nil)
		}
		select {
		case <-w.ResultChan():
		case <-ctx.Done():
		}
		w.Stop()
		if ctx.Err() != nil {
			return fmt.Errorf("%s is not gone (finalizers %v): %w", ref, o.GetFinalizers(), context.Cause(ctx))
		}
	}
}

// podsGone returns when the unit has no pods and no ReplicaSets.
func (w *watcher) podsGone(ctx context.Context, unit string) error {
	if err := w.synced(ctx); err != nil {
		return err
	}
	news, stop := w.listen()
	defer stop()
	for {
		left := w.leftOf(unit)
		if len(left) == 0 {
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

func (w *watcher) leftOf(unit string) []string {
	var out []string
	for _, s := range []*watched{w.pods, w.replicaSets} {
		for _, o := range s.List() {
			m, ok := o.(metav1.Object)
			if !ok || unitOf(m) != unit {
				continue
			}
			kind := "ReplicaSet "
			if _, pod := o.(*corev1.Pod); pod {
				kind = "Pod "
			}
			out = append(out, kind+m.GetName())
		}
	}
	slices.Sort(out)
	return out
}
