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

// appObjects are those of AppUnit.
func appObjects(app *schema.App) ([]*unstructured.Unstructured, error) {
	if len(app.Quota) == 0 {
		return nil, nil
	}
	hard := corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(app.Quota)) {
		q, err := resource.ParseQuantity(app.Quota[name])
		if err != nil {
			return nil, &FieldError{Path: "quota." + name, Err: err}
		}
		hard[corev1.ResourceName(name)] = q
	}
	quota, err := convert(&corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Name: app.Name, Namespace: namespace(app), Labels: appLabels(app)},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	})
	if err != nil {
		return nil, err
	}
	return []*unstructured.Unstructured{quota}, nil
}
