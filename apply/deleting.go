package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/shipit-dev/shipit/apply/health"
)

// DeletingError says that an object is being deleted and is still there: its
// finalizers keep it
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/),
// or it takes its time to end.
type DeletingError struct {
	Object     Ref
	Since      time.Time // when its deletion was asked for
	Finalizers []Finalizer
	UsedBy     []string // what holds a claim that is protected: "Pod web-0"
	Err        error    // why it was not waited for any longer; nil when it was not waited for
}

// Finalizer is who must act before an object can go.
type Finalizer struct {
	Name    string
	Manager string // the field manager that set it; "" when that is not known
}

func (e *DeletingError) Error() string {
	s := e.Object.String() + " is being deleted"
	if !e.Since.IsZero() {
		s += " since " + e.Since.UTC().Format(time.RFC3339)
	}
	if len(e.Finalizers) == 0 {
		return s + " and is not gone yet"
	}
	names := make([]string, len(e.Finalizers))
	for i, f := range e.Finalizers {
		names[i] = f.Name
		if f.Manager != "" {
			names[i] += " (set by " + f.Manager + ")"
		}
	}
	keeps := ", and its finalizer "
	if len(names) > 1 {
		keeps = ", and its finalizers "
	}
	s += keeps + strings.Join(names, ", ") + " still hold"
	if len(names) == 1 {
		s += "s"
	}
	s += " it"
	if len(e.UsedBy) > 0 {
		s += ": it is used by " + strings.Join(e.UsedBy, ", ")
	}
	return s
}

func (e *DeletingError) Unwrap() error { return e.Err }

// Hint says who has to act, and what to do when nobody will.
func (e *DeletingError) Hint() string {
	switch {
	case len(e.Finalizers) == 0:
		return ""
	case len(e.UsedBy) > 0:
		return "it goes when what uses it is gone"
	case !slices.ContainsFunc(e.Finalizers, func(f Finalizer) bool { return !ofKubernetes[f.Name] }):
		return "Kubernetes removes this finalizer when what depends on the object is gone"
	}
	return "whoever set the finalizer removes it when its work is done; if that runs no more: " + kubectl("patch", e.Object) + ` --type=merge -p '{"metadata":{"finalizers":null}}'`
}

// kubectl is the command that does verb to an object.
func kubectl(verb string, ref Ref) string {
	in := ""
	if ref.Namespace != "" {
		in = " -n " + ref.Namespace
	}
	return fmt.Sprintf("kubectl%s %s %s %s", in, verb, kubectlKind(ref), ref.Name)
}

// kubectlKind is the kind of an object as kubectl takes it: with its group where
// another group may have a kind of that name.
func kubectlKind(ref Ref) string {
	kind := strings.ToLower(ref.Kind)
	if group := ref.GVK().Group; strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
		return kind + "." + group
	}
	return kind
}

// ofKubernetes are the finalizers that Kubernetes itself sets and removes.
var ofKubernetes = map[string]bool{
	metav1.FinalizerDeleteDependents:              true,
	metav1.FinalizerOrphanDependents:              true,
	pvcProtection:                                 true,
	"kubernetes.io/pv-protection":                 true,
	"batch.kubernetes.io/job-tracking":            true,
	"service.kubernetes.io/load-balancer-cleanup": true,
	string(corev1.FinalizerKubernetes):            true,
	"customresourcecleanup.apiextensions.k8s.io":  true,
}

// pvcProtection keeps a claim as long as a pod uses it
// (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection).
const pvcProtection = "kubernetes.io/pvc-protection"

// deletingError says what keeps o, which is being deleted, by what o itself has.
func deletingError(ref Ref, o metav1.Object, why error) *DeletingError {
	e := &DeletingError{Object: ref, Err: why}
	if t := o.GetDeletionTimestamp(); t != nil {
		e.Since = t.Time
		if grace := o.GetDeletionGracePeriodSeconds(); grace != nil {
			e.Since = t.Add(-time.Duration(*grace) * time.Second) // it is the time at which that ends
		}
	}
	for _, name := range o.GetFinalizers() {
		e.Finalizers = append(e.Finalizers, Finalizer{Name: name, Manager: finalizedBy(o, name)})
	}
	return e
}

// finalizedBy returns the field manager that set a finalizer. Those of Kubernetes
// are said to be of whoever made the object.
func finalizedBy(o metav1.Object, name string) string {
	if ofKubernetes[name] {
		return ""
	}
	return health.ManagerOf(o, fieldpath.MakePathOrDie("metadata", "finalizers", value.NewValueInterface(name))).Manager
}

// deleting says what keeps o; of a claim also which pods use it. What cannot be
// looked up is left out.
func (c *Client) deleting(ctx context.Context, ref Ref, o metav1.Object, why error) *DeletingError {
	e := deletingError(ref, o, why)
	if !isClaim(ref) || !slices.Contains(o.GetFinalizers(), pvcProtection) {
		return e
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseFor)
	defer cancel()
	list, err := c.core.Pods(ref.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return e
	}
	for i := range list.Items {
		if p := &list.Items[i]; usesClaim(p, ref.Name) {
			e.UsedBy = append(e.UsedBy, "Pod "+p.Name)
		}
	}
	return e
}

func usesClaim(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == name
	})
}

// warnDeleting says which of this app's objects were deleted before, are not wanted
// any more, and are still there.
func (m *mover) warnDeleting() {
	planned := map[objectKey]bool{}
	for _, ch := range m.plan.changes {
		planned[keyOf(ch.ref)] = true
	}
	var left []Ref
	for key, o := range m.live {
		u := m.snap.Units[unitOf(o)]
		if o.GetDeletionTimestamp() != nil && !planned[key] && entry(o, m.c.owner.Manager()) != nil && (u == nil || u.Source == m.c.owner.Source) {
			left = append(left, refOf(o))
		}
	}
	slices.SortFunc(left, compareRefs)
	for _, ref := range left {
		o := m.live[keyOf(ref)]
		m.em.emit(Event{Kind: EventWarning, Unit: unitOf(o), Object: &ref, Message: "something that was deleted before is not gone", Err: deletingError(ref, o, nil)})
	}
}
