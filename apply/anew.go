package apply

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An object that somebody deleted so that a deploy could make it with another
// immutable field (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/,
// the selector of a Deployment, the roleRef of a RoleBinding) cannot be put back by
// applying what it was. The one that is there the failed deploy made, so it may go and
// be made anew. A StatefulSet goes without its pods, which its successor takes over;
// claims are never deleted for it.

// anew reports whether what is there of ch is the failed deploy's own, or one's that
// was interrupted before it and had not found the object either.
func (m *mover) anew(ctx context.Context, ch *change) bool {
	if ch.live == nil || keepsData(ch.ref) && !neverBound(ch.live) {
		return false
	}
	for _, f := range m.plan.of(ch.unit) {
		if keyOf(f.ref) == keyOf(ch.ref) && (f.action == ActionCreate || f.action == ActionReplace) && f.applied != nil {
			return f.applied.GetUID() == ch.live.GetUID()
		}
	}
	before := m.before[ch.unit]
	if before == nil || before.Deploy == m.id || before.Release == before.Healthy {
		return false
	}
	in, err := store{m.c}.intent(ctx, before.Deploy)
	return err == nil && !in.Rollback && in.Units[ch.unit].Release == before.Release && !contains(in.Units[ch.unit].Found, ch.ref)
}

// makeAnew deletes what is there of ch and makes what is wanted.
func (w *writer) makeAnew(ctx context.Context, ch *change) error {
	r, err := w.c.resource(ch.ref)
	if err != nil {
		return err
	}
	how := metav1.DeletePropagationBackground
	if ch.ref.Kind == "StatefulSet" {
		how = metav1.DeletePropagationOrphan
	}
	err = w.retry(ctx, func(ctx context.Context) error {
		return r.Delete(ctx, ch.ref.Name, metav1.DeleteOptions{PropagationPolicy: &how, Preconditions: &metav1.Preconditions{UID: ptrTo(ch.live.GetUID())}})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	w.em.emit(Event{Kind: EventApplied, Unit: ch.unit, Object: &ch.ref, Action: ActionDelete})
	waits, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	if err := w.c.objectGone(waits, w.em, ch.unit, ch.ref, ch.live); err != nil {
		return err
	}
	return w.write(ctx, ch, ch.desired)
}

// refusesChange reports whether err is that what is there of an object cannot become
// what is wanted of it.
func refusesChange(err error) bool {
	var unheeded *UnheededError
	return apierrors.IsInvalid(err) || errors.As(err, &unheeded) && !unheeded.Dropped
}
