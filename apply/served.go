package apply

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// VersionError says that a release has an object in a version that the cluster no
// longer serves, and that the version which it serves does not take it as it is.
type VersionError struct {
	Object  Ref
	Release int
	Unit    string
	Served  string // the apiVersion that the cluster has
	Err     error  // why that one does not take it
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s of release %d of %s is written in %s, which the cluster no longer serves, and cannot be applied in %s: %v",
		e.Object, e.Release, e.Unit, e.Object.APIVersion, e.Served, e.Err)
}
func (e *VersionError) Unwrap() error { return e.Err }

// Hint says what can be done instead.
func (e *VersionError) Hint() string {
	return fmt.Sprintf("return to a release that has it in %s, or write what that release had in %s and deploy it", e.Served, e.Served)
}

// inServed rewrites what a recorded release has in versions that the server does not
// have any more in those that it has, where that is safe: when the server takes the
// object in the other version with all its fields, by a dry run that allows no
// unknown ones. Objects that it does not take are the errors. What the release or
// another one of the call defines is not looked at.
func (c *Client) inServed(ctx context.Context, t target, release int, definitions map[schema.GroupKind]bool) (target, []*VersionError, error) {
	var out []*unstructured.Unstructured
	var refused []*VersionError
	for _, o := range t.objects {
		old := kindRef{APIVersion: o.GetAPIVersion(), Kind: o.GetKind()}
		now := old
		if _, soon := definitions[old.groupKind()]; !soon {
			now = c.kinds.served(old)
		}
		if now != old {
			ref := refOf(o)
			o = o.DeepCopy()
			o.SetAPIVersion(now.APIVersion)
			err := c.takes(ctx, o)
			var invalid *InvalidError
			if err != nil && !errors.As(err, &invalid) {
				return t, nil, err
			}
			if err != nil {
				refused = append(refused, &VersionError{Object: ref, Release: release, Unit: t.unit, Served: now.APIVersion, Err: invalid.Err})
				continue
			}
		}
		out = append(out, o)
	}
	t.objects = out
	return t, refused, nil
}

// rewrite rewrites the targets of a rollback as inServed does. What cannot be is a
// VersionError.
func (c *Client) rewrite(ctx context.Context, b *destination) error {
	definitions := defined(b.targets)
	for i, t := range b.targets {
		t, refused, err := c.inServed(ctx, t, b.releases[t.unit], definitions)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			return refused[0]
		}
		b.targets[i] = t
	}
	return nil
}

// takes returns nil when the server would take the object with every field of it. It
// is asked to create it, which is known to be possible when nothing but the name that
// it has already is in the way: to what is applied it says of unknown fields what it
// says when it is broken.
func (c *Client) takes(ctx context.Context, o *unstructured.Unstructured) error {
	ref := refOf(o)
	r, err := c.resource(ref)
	if err != nil {
		return err
	}
	_, err = r.Create(ctx, o, metav1.CreateOptions{
		FieldManager: c.owner.Manager(), DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return c.typed(err, ref, nil)
}

// leaveUnserved is inServed for the way back, which one object must not keep the
// others from: what the server takes in no version stays as the deploy leaves it,
// and that is said before the deploy begins.
func (m *mover) leaveUnserved(ctx context.Context, t target, release int) (target, error) {
	t, refused, err := m.c.inServed(ctx, t, release, defined([]target{t}))
	for _, e := range refused {
		t.left = append(t.left, e.Object)
		m.em.emit(Event{Kind: EventWarning, Unit: t.unit, Object: &e.Object, Err: e, Message: "if it does not become healthy, this object stays as it is then"})
	}
	return t, err
}
