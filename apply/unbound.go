package apply

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// neverBound reports whether a claim never had a volume, and so holds nothing. One
// that names its volume may be about to get it back with what is in it.
func neverBound(claim *unstructured.Unstructured) bool {
	volume, _, _ := unstructured.NestedString(claim.Object, "spec", "volumeName")
	phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase")
	return isClaim(refOf(claim)) && volume == "" && (phase == "" || phase == string(corev1.ClaimPending))
}

// dropUnbound deletes those of the claims that were never bound, as nobody could
// deploy them in another form beside them, and returns the others. One that is bound
// meanwhile stays: it is deleted as it was read, or not at all. What is not deleted,
// or not gone, is warned of.
func (w *writer) dropUnbound(ctx context.Context, claims []*unstructured.Unstructured) (rest []*unstructured.Unstructured) {
	for _, claim := range claims {
		if !neverBound(claim) {
			rest = append(rest, claim)
			continue
		}
		deleted, err := w.deleteUnbound(ctx, claim)
		if err == nil && !deleted {
			rest = append(rest, claim)
			continue
		}
		ref := refOf(claim)
		w.em.emit(Event{Kind: EventApplied, Unit: unitOf(claim), Object: &ref, Action: ActionDelete, Err: err})
		if err != nil {
			w.em.emit(Event{Kind: EventWarning, Unit: unitOf(claim), Object: &ref, Message: ref.String() + " was never bound and stays", Err: err})
		}
	}
	return rest
}

// deleteUnbound deletes a claim as long as it is not bound, and waits a moment until
// it is gone.
func (w *writer) deleteUnbound(ctx context.Context, claim *unstructured.Unstructured) (deleted bool, err error) {
	ref := refOf(claim)
	r, err := w.c.resource(ref)
	if err != nil {
		return false, err
	}
	for range 5 { // what provisions volumes may write to it at the same time
		err = w.retry(ctx, func(ctx context.Context) error {
			return r.Delete(ctx, ref.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
				UID: ptrTo(claim.GetUID()), ResourceVersion: ptrTo(claim.GetResourceVersion()),
			}})
		})
		if !apierrors.IsConflict(err) {
			break
		}
		now, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && (now.GetUID() != claim.GetUID() || !neverBound(now)) {
			return false, nil
		}
		if err != nil {
			return false, w.c.typed(err, ref, nil)
		}
		claim = now
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, w.c.typed(err, ref, nil)
	}
	waits, cancel := context.WithTimeout(ctx, graceFinalizer)
	defer cancel()
	return true, w.c.objectGone(waits, nil, unitOf(claim), ref, claim)
}

// unboundOf are the claims of a unit, never bound, that the failed deploy made and
// the release that is back does not have: applied ones, and those of a StatefulSet,
// which are younger than what was written of it. Two clocks are not compared.
func (m *mover) unboundOf(unit string, claims []*unstructured.Unstructured) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	home := m.homes[unit].target
	wanted := home.wants()
	for _, claim := range claims {
		if unitOf(claim) != unit || wanted[refOf(claim)] || !neverBound(claim) {
			continue
		}
		if slices.ContainsFunc(m.plan.of(unit), func(ch *change) bool { return ch.applied != nil && m.madeClaim(ch, claim) }) {
			out = append(out, claim)
		}
	}
	return out
}

// madeClaim reports whether a change of this deploy made the claim.
func (m *mover) madeClaim(ch *change, claim *unstructured.Unstructured) bool {
	if ch.ref.Kind != "StatefulSet" {
		return ch.action == ActionCreate && ch.applied.GetUID() == claim.GetUID()
	}
	e := entry(ch.applied, m.c.owner.Manager())
	return e != nil && e.Time != nil && !claim.GetCreationTimestamp().Time.Before(e.Time.Truncate(time.Second))
}

// claimed reports whether this deploy may have made claims of a unit.
func (m *mover) claimed(unit string) bool {
	return slices.ContainsFunc(m.plan.of(unit), func(ch *change) bool {
		return ch.applied != nil && (isClaim(ch.ref) || ch.ref.Kind == "StatefulSet")
	})
}

// wants are the objects of a target.
func (t *target) wants() map[Ref]bool {
	out := map[Ref]bool{}
	for _, o := range t.objects {
		out[refOf(o)] = true
	}
	return out
}
