package apply

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// annotationCreatedFor marks a namespace that shipit made, with the field manager
// it was made for: the only kind of namespace that Delete removes. The last app in
// it need not be the first.
const annotationCreatedFor = "shipit.dev/created-for"

// rootCertificates is a ConfigMap that is in every namespace, a moment after its
// creation.
const rootCertificates = "kube-root-ca.crt"

func (c *Client) namespaceRef() Ref {
	return Ref{APIVersion: "v1", Kind: "Namespace", Name: c.owner.Namespace}
}

// namespaceExists looks for the namespace; one that is being deleted is an
// error. Who may not look is taken to work in a namespace that was made for them.
func (c *Client) namespaceExists(ctx context.Context) (bool, error) {
	ns, err := c.core.Namespaces().Get(ctx, c.owner.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return true, nil
	case err != nil:
		return false, c.typed(err, c.namespaceRef(), nil)
	case ns.DeletionTimestamp != nil:
		return false, &TerminatingError{Namespace: c.owner.Namespace}
	}
	return true, nil
}

// createNamespace makes the namespace, marked as ours.
func (c *Client) createNamespace(ctx context.Context, em *emitter) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        c.owner.Namespace,
		Labels:      map[string]string{labelManagedBy: managedByShipit},
		Annotations: map[string]string{annotationCreatedFor: c.owner.Manager()},
	}}
	err := repeat(ctx, func(bool) error {
		_, err := c.core.Namespaces().Create(ctx, ns, metav1.CreateOptions{FieldManager: c.owner.Manager()})
		return err
	})
	if apierrors.IsAlreadyExists(err) {
		return nil // somebody was faster
	}
	if err == nil {
		em.emit(Event{Kind: EventNamespace, Message: c.owner.Namespace})
	}
	return c.typed(err, c.namespaceRef(), nil)
}

// removeNamespace deletes the namespace if shipit made it and it holds
// nothing that somebody could miss, and waits until it is gone.
func (c *Client) removeNamespace(ctx context.Context, em *emitter) error {
	ns, err := c.core.Namespaces().Get(ctx, c.owner.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return c.typed(err, c.namespaceRef(), nil)
	}
	made := strings.HasPrefix(ns.Annotations[annotationCreatedFor], Owner{Namespace: ns.Name}.Manager())
	if !made || ns.DeletionTimestamp != nil {
		return nil
	}
	left, silent, err := c.leftIn(ctx)
	why := ""
	switch {
	case err != nil:
		why = "what is in it could not be listed: " + err.Error()
	case len(left) > 0:
		why = "it has " + left[0].String()
	case len(silent) > 0:
		// Kubernetes would not finish deleting it either.
		why = "nothing is left in it that can be seen, but the cluster's API " + strings.Join(silent, ", ") + " does not answer, and may have something there"
	}
	if why != "" {
		em.emit(Event{Kind: EventWarning, Message: "namespace " + ns.Name + " was kept: " + why, Err: err})
		return nil
	}
	err = repeat(ctx, func(again bool) error {
		err := c.core.Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
			UID: &ns.UID, ResourceVersion: &ns.ResourceVersion,
		}})
		if again && apierrors.IsConflict(err) {
			if now, _ := c.core.Namespaces().Get(ctx, ns.Name, metav1.GetOptions{}); now != nil && now.DeletionTimestamp != nil {
				return nil
			}
		}
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return c.typed(err, c.namespaceRef(), nil)
	}
	ref := c.namespaceRef()
	em.emit(Event{Kind: EventApplied, Object: &ref, Action: ActionDelete})
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	return c.objectGone(ctx, em, "", ref, ns)
}

// takeNamespaceBack removes the namespace that was made for a deploy that was then
// refused, unless somebody uses it already.
func (m *mover) takeNamespaceBack(ctx context.Context) {
	ctx, cancel := hurry(context.WithoutCancel(ctx), retryFor)
	defer cancel()
	if err := m.c.removeNamespace(ctx, m.em); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "namespace " + m.c.owner.Namespace + " was made for this deploy, and stays", Err: err})
	}
}

// leftIn lists what is in the namespace beside what Kubernetes puts there by
// itself. It asks for every kind that the cluster serves; the groups that do not
// answer are silent.
func (c *Client) leftIn(ctx context.Context) (left []Ref, silent []string, err error) {
	lists, silent, err := c.kinds.all()
	if err != nil {
		return nil, nil, err
	}
	found := make([][]Ref, len(lists))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, r := range lists {
		g.Go(func() error {
			list, err := c.dyn.Resource(r).Namespace(c.owner.Namespace).List(gctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				return nil
			}
			if err != nil {
				return err
			}
			for j := range list.Items {
				if o := &list.Items[j]; !byKubernetes(o) {
					found[i] = append(found[i], refOf(o))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return slices.Concat(found...), silent, nil
}

// byKubernetes reports whether nobody made o by hand: it is there in every
// namespace, is derived from what was deleted, or is owned by another object and
// goes with it.
func byKubernetes(o *unstructured.Unstructured) bool {
	if len(o.GetOwnerReferences()) > 0 || o.GetDeletionTimestamp() != nil {
		return true
	}
	switch o.GetKind() {
	case "Event", "Endpoints", "EndpointSlice", "PodMetrics", "ControllerRevision":
		return true
	case "ServiceAccount":
		return o.GetName() == "default"
	case "ConfigMap":
		return o.GetName() == rootCertificates
	case "Secret":
		t, _, _ := unstructured.NestedString(o.Object, "type")
		return t == string(corev1.SecretTypeServiceAccountToken)
	}
	return false
}
