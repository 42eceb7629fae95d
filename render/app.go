package render

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/schema"
)

func namespace(app *schema.App) string {
	if app.Namespace == "" {
		return app.Name
	}
	return app.Namespace
}

// appLabels are those of every object of the app. The user's cannot replace
// shipit's, by which objects are found again.
func appLabels(app *schema.App) map[string]string {
	labels := make(map[string]string, len(app.Labels)+3)
	maps.Copy(labels, app.Labels)
	delete(labels, LabelName)
	labels[LabelPartOf] = app.Name
	labels[LabelManagedBy] = ManagedBy
	return labels
}

// appObjects are those of AppUnit: the namespace and definitions of kinds first, and
// then what may be of those kinds.
func appObjects(app *schema.App) ([]*unstructured.Unstructured, error) {
	objects, others := rawObjects(app)
	if ns := ownNamespace(app, app.NamespaceLabels, app.NamespaceAnnotations); ns != nil {
		objects = append([]*unstructured.Unstructured{ns}, objects...)
	}
	for _, part := range []func(*schema.App) (any, error){quota, limitRange} {
		typed, err := part(app)
		if err != nil {
			return nil, err
		}
		if typed == nil {
			continue
		}
		o, err := convert(typed)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	for _, g := range sorted(app.Gateways, func(g schema.Gateway) string { return g.Name }) {
		o, err := convert(gateway(app, g))
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return append(objects, others...), nil
}

// ownNamespace is the namespace that the app is in, with what the project says of
// it and nothing else: other apps may be there, so it has none of the app's labels.
// It is nil when the project says nothing of it.
func ownNamespace(app *schema.App, labels, annotations map[string]string) *unstructured.Unstructured {
	if len(labels)+len(annotations) == 0 {
		return nil
	}
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace(app)}}}
	if len(labels) > 0 {
		o.SetLabels(labels)
	}
	if len(annotations) > 0 {
		o.SetAnnotations(annotations)
	}
	return o
}

func quota(app *schema.App) (any, error) {
	if len(app.Quota) == 0 {
		return nil, nil
	}
	hard, err := quantities("quota.", app.Quota)
	if err != nil {
		return nil, err
	}
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Name: app.Name, Namespace: namespace(app), Labels: appLabels(app)},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}, nil
}

// limitRange is for containers. Its list is owned whole, so what the server
// would conclude from what is said is written out: a default limit is at most
// the greatest there may be, and asked for unless a container says otherwise.
func limitRange(app *schema.App) (any, error) {
	if app.Limits == nil {
		return nil, nil
	}
	item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer}
	for _, part := range []struct {
		path  string
		given map[string]string
		to    *corev1.ResourceList
	}{
		{"limits.default.", app.Limits.Default, &item.Default},
		{"limits.defaultRequest.", app.Limits.DefaultRequest, &item.DefaultRequest},
		{"limits.min.", app.Limits.Min, &item.Min},
		{"limits.max.", app.Limits.Max, &item.Max},
	} {
		list, err := quantities(part.path, part.given)
		if err != nil {
			return nil, err
		}
		*part.to = list
	}
	conclude(item.Default, item.Max)
	conclude(item.DefaultRequest, item.Default)
	conclude(item.DefaultRequest, item.Min)
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: metav1.ObjectMeta{Name: app.Name, Namespace: namespace(app), Labels: appLabels(app)},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
	}, nil
}

// conclude gives list what it lacks of another.
func conclude(list, from corev1.ResourceList) {
	for name, q := range from {
		if _, ok := list[name]; !ok {
			list[name] = q
		}
	}
}

// quantities parses them. Their path is that of the App.
func quantities(path string, written map[string]string) (corev1.ResourceList, error) {
	list := corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(written)) {
		q, err := resource.ParseQuantity(written[name])
		if err != nil {
			return nil, &FieldError{Path: path + name, Err: err}
		}
		list[corev1.ResourceName(name)] = q
	}
	return list, nil
}
