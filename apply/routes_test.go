package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a gateway says of a route counts once it has seen the route as it is.
func TestRefusedRoute(t *testing.T) {
	t.Parallel()
	route := func(kind, status string, seen int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"generation": int64(2)},
			"status": map[string]any{"parents": []any{map[string]any{
				"parentRef":  map[string]any{"name": "public"},
				"conditions": []any{map[string]any{"type": kind, "status": status, "observedGeneration": seen, "reason": "NotAllowedByListeners", "message": "no listener has this host"}},
			}}},
		}}
	}
	const refused = "gateway public does not take it: NotAllowedByListeners: no listener has this host"
	for _, tt := range []struct {
		name  string
		route *unstructured.Unstructured
		want  string
	}{
		{"nobody looked at it", &unstructured.Unstructured{Object: map[string]any{}}, ""},
		{"accepted", route("Accepted", "True", 2), ""},
		{"refused", route("Accepted", "False", 2), refused},
		{"refused before it changed", route("Accepted", "False", 1), ""},
		{"a backend that is not there", route("ResolvedRefs", "False", 2), refused},
		{"said of something else", route("Programmed", "False", 2), ""},
	} {
		if got := refusedRoute(tt.route); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
