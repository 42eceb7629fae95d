package render

import (
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/randfill"
)

// Every kind of the groups that are rendered becomes what its own converter makes of it.
func TestPlain(t *testing.T) {
	t.Parallel()
	fill := randfill.NewWithSeed(1).NilChance(0.4).NumElements(0, 2).MaxDepth(12).Funcs(
		func(*runtime.RawExtension, randfill.Continue) {}, // only one of them may be written
		func(*runtime.Object, randfill.Continue) {},
	)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	for kind, of := range scheme.AllKnownTypes() {
		for range 3 {
			object := reflect.New(of)
			fill.Fill(object.Interface())
			want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object.Interface())
			if err != nil {
				continue // no object of its own
			}
			got := map[string]any{}
			if err := plainFields(object.Elem(), got); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %v\n%v\nwant\n%v", kind, err, got, want)
			}
			compared++
		}
	}
	if compared < 150 {
		t.Errorf("only %d objects were compared", compared)
	}
}
