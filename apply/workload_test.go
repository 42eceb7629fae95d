package apply

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// While a Deployment is only scaled yet, its revision is the old one: the pods of
// that are not its current ones.
func TestWorkloadOfAnotherTemplate(t *testing.T) {
	t.Parallel()
	controlledBy := func(uid string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{UID: types.UID(uid), Controller: ptrTo(true)}}
	}
	deployment := func(image string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "web", "uid": "d", "annotations": map[string]any{revisionAnnotation: "1"}},
			"spec": map[string]any{"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": image}}},
			}},
		}}
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Name: "web-1", UID: "r", Annotations: map[string]string{revisionAnnotation: "1"}, OwnerReferences: controlledBy("d"),
	}}
	set.Spec.Template.Labels = map[string]string{"app": "web", appsv1.DefaultDeploymentUniqueLabelKey: "1"}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "one"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1-x", OwnerReferences: controlledBy("r")}}
	for image, want := range map[string]int{"one": 1, "two": 0} {
		w := newWorkload(deployment(image), []*appsv1.ReplicaSet{set}, []*corev1.Pod{pod})
		if len(w.pods) != want || (w.replicaSet != nil) != (want > 0) {
			t.Errorf("image %s: %d pods, want %d", image, len(w.pods), want)
		}
	}
}
