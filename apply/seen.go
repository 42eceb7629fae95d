package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stopped are the deploys that hold a lock in the index and are known to be gone:
// their Lease is, or their process, on this machine. snap is read again when there
// are some, since one may have ended well in between.
func (c *Client) stopped(ctx context.Context, snap **snapshot) (map[string]bool, error) {
	gone := map[string]bool{}
	for _, u := range (*snap).Units {
		if u.Lock != nil && !gone[u.Lock.Deploy] && c.isGone(ctx, u.Lock.Deploy) {
			gone[u.Lock.Deploy] = true
		}
	}
	if len(gone) == 0 {
		return gone, nil
	}
	again, err := store{c}.read(ctx)
	if err == nil {
		*snap = again
	}
	return gone, err
}

// isGone reports whether a deploy is known to be gone; of one that cannot be asked
// for, nothing is.
func (c *Client) isGone(ctx context.Context, deploy string) bool {
	lease, err := c.leases.Get(ctx, leaseName(c.owner.App, deploy), metav1.GetOptions{})
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	return c.isDead(lease)
}

// look sets the state that is seen: the index has what was true when the unit was
// last moved.
func (s *UnitStatus) look(gone map[string]bool) {
	if s.Lock != nil && gone[s.Lock.DeployID] {
		s.Lock = nil
	}
	switch {
	case s.State == StateDeploying && s.Lock == nil:
		s.State = StateInterrupted
	case s.State == StateDeployed && !s.Ready:
		s.State = StateUnhealthy
	}
}
