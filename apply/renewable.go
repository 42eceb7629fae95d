package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refuseAfter is how long a write of the state is tried again, as long as nothing else is
// written, when the server answers reads and says of the write that it failed inside:
// what is asked about every write, a webhook, does not answer. A deploy that began all
// the same would lose its lock, or its record, half-way.
const refuseAfter = 5 * time.Second

// StateError says that the cluster does not take what shipit keeps there of a deploy.
// Nothing was changed.
type StateError struct {
	Object Ref // a Lease or a Secret
	Err    error
}

func (e *StateError) Error() string {
	return fmt.Sprintf("%s, in which shipit keeps what it does, cannot be written: %v", e.Object, e.Err)
}
func (e *StateError) Unwrap() error { return e.Err }

// Hint tells where to look.
func (e *StateError) Hint() string {
	return fmt.Sprintf("if it names a webhook: whoever keeps it must mend it, or leave out namespace %s (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`)", e.Object.Namespace)
}

// beforeChange is the patience with what is written before the first change.
func (c *Client) beforeChange(ctx context.Context) func(error) time.Duration {
	return func(err error) time.Duration {
		if apierrors.IsInternalError(err) && c.answers(ctx) {
			return refuseAfter
		}
		return retryFor
	}
}

// answers reports whether the API server and its store answer a read.
func (c *Client) answers(ctx context.Context) bool {
	_, err := c.core.Secrets(c.owner.Namespace).Get(ctx, store{c}.indexName(), metav1.GetOptions{})
	return err == nil || apierrors.IsNotFound(err)
}

// notTaken makes a StateError of what the server says of every try.
func notTaken(object Ref, err error) error {
	var already *StateError
	if !apierrors.IsInternalError(err) || errors.As(err, &already) {
		return err
	}
	return &StateError{Object: object, Err: err}
}

// renewable tries whether the Lease can be renewed, by a dry run beside the write that
// takes the lock: what refuses changes need not refuse what is new. The function waits for
// the answer, which is nil when it is not known.
func (l *lock) renewable(ctx context.Context) func() error {
	answer := make(chan error, 1)
	l.mu.Lock()
	next := l.lease.DeepCopy()
	l.mu.Unlock()
	next.Spec.RenewTime = ptrTo(metav1.NowMicro())
	go func() {
		ref := leaseRef(l.c, next.Name)
		err := repeatFor(ctx, l.c.beforeChange(ctx), func(bool) error {
			_, err := l.c.leases.Update(ctx, next, metav1.UpdateOptions{FieldManager: l.c.owner.Manager(), DryRun: []string{metav1.DryRunAll}})
			return err
		})
		if !isStatus(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			err = nil
		}
		answer <- notTaken(ref, l.c.typed(err, ref, nil))
	}()
	return sync.OnceValue(func() error { return <-answer })
}
