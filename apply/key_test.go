package apply

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func manifest(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// An object is the same one in every version of its kind, whether its namespace is
// written or not, and another one of another group, kind or name.
func TestObjectKey(t *testing.T) {
	t.Parallel()
	hpa := manifest("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "web")
	for _, tt := range []struct {
		o    *unstructured.Unstructured
		same bool
	}{
		{manifest("autoscaling/v1", "HorizontalPodAutoscaler", "shop", "web"), true},
		{manifest("autoscaling/v2", "HorizontalPodAutoscaler", "", "web"), true},
		{manifest("example.com/v2", "HorizontalPodAutoscaler", "shop", "web"), false},
		{manifest("v2", "HorizontalPodAutoscaler", "shop", "web"), false},
		{manifest("autoscaling/v2", "Scaler", "shop", "web"), false},
		{manifest("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "api"), false},
	} {
		if got := keyOfObject(hpa) == keyOfObject(tt.o); got != tt.same {
			t.Errorf("%v: same is %v", tt.o.Object, got)
		}
	}
	if !contains([]Ref{refOf(manifest("batch/v1beta1", "Job", "shop", "x"))}, refOf(manifest("batch/v1", "Job", "shop", "x"))) {
		t.Error("a record of another version is not found")
	}
}

// A kind is listed once, in the version in which it is wanted.
func TestKindsOf(t *testing.T) {
	t.Parallel()
	targets := []target{{objects: []*unstructured.Unstructured{manifest("autoscaling/v1", "HorizontalPodAutoscaler", "", "a"), manifest("v1", "Service", "", "a")}}}
	got := kindsOf(targets, []kindRef{{"autoscaling/v2", "HorizontalPodAutoscaler"}, {"v1", "Service"}, {"serving.knative.dev/v1", "Service"}, {"example.com/v1", "Gear"}, {"example.com/v2", "Gear"}})
	want := []kindRef{{"example.com/v1", "Gear"}, {"autoscaling/v1", "HorizontalPodAutoscaler"}, {"v1", "Service"}, {"serving.knative.dev/v1", "Service"}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
