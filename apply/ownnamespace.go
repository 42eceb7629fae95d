package apply

import (
	"context"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// The namespace that an app is in may be everybody's. Of it the app has the labels
// and annotations that it applies, and nothing else: it carries none of the app's
// labels, whoever made it, and is never deleted for what the project says of it.
// Its labels are applied before anything else, as those of Pod Security are about
// the first pod. What the project says no more is taken from it again.

var namespaceKind = kindRef{APIVersion: "v1", Kind: "Namespace"}

func (c *Client) isOwnNamespace(ref Ref) bool { return ref == c.namespaceRef() }

// ofNamespace keeps of an object that is the app's namespace what may be applied.
func ofNamespace(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{}}
	out.SetAPIVersion(o.GetAPIVersion())
	out.SetKind(o.GetKind())
	out.SetName(o.GetName())
	if labels := o.GetLabels(); len(labels) > 0 {
		out.SetLabels(labels)
	}
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		out.SetAnnotations(annotations)
	}
	return out
}

// withNamespace are the objects of the target as they are recorded.
func (t target) withNamespace() []*unstructured.Unstructured {
	if t.namespace == nil {
		return t.objects
	}
	return append([]*unstructured.Unstructured{t.namespace}, t.objects...)
}

// liveNamespaces is the app's namespace, and those others that carry its labels, if
// all may be listed.
func (c *Client) liveNamespaces(ctx context.Context) ([]unstructured.Unstructured, error) {
	r := c.dyn.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	own, err := r.Get(ctx, c.owner.Namespace, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, c.typed(err, c.namespaceRef(), nil)
	}
	var out []unstructured.Unstructured
	if err == nil {
		out = append(out, *own)
	}
	list, err := r.List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
	if apierrors.IsForbidden(err) {
		return out, nil // who may not list all has none but this
	}
	if err != nil {
		return nil, c.typed(err, c.namespaceRef(), nil)
	}
	for _, o := range list.Items {
		if o.GetName() != c.owner.Namespace {
			out = append(out, o)
		}
	}
	return out, nil
}

// planNamespace is the change of the app's namespace that takes a unit to its
// target; nil when neither it nor what is there says anything of it.
func (c *Client) planNamespace(t target, live map[objectKey]*unstructured.Unstructured) *change {
	ref := c.namespaceRef()
	now := live[keyOf(ref)]
	desired := t.namespace
	if desired == nil {
		if t.unit != AppUnit || now == nil || entry(now, c.owner.Manager()) == nil {
			return nil
		}
		desired = ofNamespace(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": ref.APIVersion, "kind": ref.Kind, "metadata": map[string]any{"name": ref.Name},
		}})
	}
	ch := &change{unit: t.unit, ref: ref, desired: desired, live: now, shared: true}
	c.decide(ch)
	return ch
}

// leaveNamespace takes from the namespace what a unit that goes said of it.
func (w *writer) leaveNamespace(ctx context.Context, unit string, live map[objectKey]*unstructured.Unstructured) error {
	if ch := w.c.planNamespace(target{unit: unit}, live); ch != nil {
		return w.apply(ctx, ctx, []*change{ch})
	}
	return nil
}

// labelNamespace applies what the targets say of a namespace that was just made:
// what is asked about pods from here on is asked as it will be.
func (m *mover) labelNamespace(ctx context.Context) error {
	for _, t := range m.targets {
		if t.namespace == nil {
			continue
		}
		r, err := m.c.resource(m.c.namespaceRef())
		if err == nil {
			_, err = r.Apply(ctx, m.c.owner.Namespace, t.namespace, metav1.ApplyOptions{FieldManager: m.c.owner.Manager()})
		}
		if err != nil {
			return m.c.typed(err, m.c.namespaceRef(), nil)
		}
	}
	return nil
}

// securityLabels begin the labels of a namespace that say what its pods may do.
const securityLabels = "pod-security.kubernetes.io/"

// relabelled reports whether the plan changes what Pod Security demands in the
// namespace: what the server says of pods before is not what it will say.
func (p *plan) relabelled() bool {
	return slices.ContainsFunc(p.changes, func(ch *change) bool {
		return ch.shared && ch.action.writes() && slices.ContainsFunc(ch.maybe, func(p fieldpath.Path) bool {
			names := fieldNames(p)
			if len(names) == 2 && names[1] == "labels" { // of which none was ours yet
				names = append(names, slices.Collect(maps.Keys(ch.desired.GetLabels()))...)
			}
			return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, securityLabels) })
		})
	})
}
