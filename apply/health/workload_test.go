package health

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// While a Deployment is only scaled yet, its revision is the old one: the pods of
// that are not its current ones.
func TestWorkloadOfAnotherTemplate(t *testing.T) {
	t.Parallel()
	controlledBy := func(uid string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{UID: types.UID(uid), Controller: ptr.To(true)}}
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
		w := NewWorkload(deployment(image), []*appsv1.ReplicaSet{set}, []*corev1.Pod{pod})
		if len(w.Pods) != want || (w.replicaSet != nil) != (want > 0) {
			t.Errorf("image %s: %d pods, want %d", image, len(w.Pods), want)
		}
	}
}

// On the way back, the broken pod of a DaemonSet is there until the controller
// takes it: it is not of the template that is gone back to.
func TestDaemonSetOfAnotherTemplate(t *testing.T) {
	t.Parallel()
	set := func(generation string, updated int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "DaemonSet",
			"metadata": map[string]any{"name": "agent", "uid": "d", "generation": int64(3), "annotations": map[string]any{appsv1.DeprecatedTemplateGeneration: generation}},
			"status":   map[string]any{"observedGeneration": int64(3), "desiredNumberScheduled": int64(2), "updatedNumberScheduled": updated},
		}}
	}
	pod := func(name, generation, hash string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: name, OwnerReferences: []metav1.OwnerReference{{UID: "d", Controller: ptr.To(true)}},
			Labels: map[string]string{"pod-template-generation": generation, appsv1.ControllerRevisionHashLabelKey: hash},
		}}
	}
	old, broken := pod("old", "1", "one"), pod("broken", "2", "two")
	for _, test := range []struct {
		set  *unstructured.Unstructured
		pods []*corev1.Pod
		want int
	}{
		{set("2", 1), []*corev1.Pod{old, broken}, 1},
		{set("3", 1), []*corev1.Pod{old, broken}, 0},                   // gone back, nothing replaced yet
		{set("3", 2), []*corev1.Pod{old, pod("new", "3", "one")}, 2},   // gone back
		{set("3", 2), []*corev1.Pod{old, pod("other", "1", "one")}, 2}, // changed and back before any pod was
		{set("", 0), []*corev1.Pod{old, broken}, 2},                    // not known
	} {
		if w := NewWorkload(test.set, nil, test.pods); len(w.Pods) != test.want {
			t.Errorf("%v: %d pods, want %d", test.set.Object["metadata"], len(w.Pods), test.want)
		}
	}
}

// A pod that is in the way for its crashes is so also while it runs once more.
func TestStuckPodRunsAgain(t *testing.T) {
	t.Parallel()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-1", Namespace: "shop"}}
	p.Spec.Containers = []corev1.Container{{Name: "db", ReadinessProbe: &corev1.Probe{}}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "db", RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
	}}
	w := &Workload{Object: &unstructured.Unstructured{Object: map[string]any{"kind": "StatefulSet"}}, all: []*corev1.Pod{p}}
	if ps := stuck(w); len(ps) != 1 || ps[0].Code != CodeCrashLoop || ps[0].Container != "db" || ps[0].ExitCode == nil || *ps[0].ExitCode != 3 {
		t.Errorf("%+v", ps)
	}
}
