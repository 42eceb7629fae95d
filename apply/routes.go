package apply

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// refusedRoutes warns of routes that were applied and that a gateway does not take.
// Nothing waits for that: there may be no controller, and pods are healthy without.
func (m *mover) refusedRoutes(ctx context.Context) {
	for _, ch := range m.movedChanges() {
		if ch.applied == nil || ch.ref.GVK().Group != "gateway.networking.k8s.io" {
			continue
		}
		r, err := m.c.resource(ch.ref)
		if err != nil {
			continue
		}
		o, err := r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
		if err != nil {
			continue
		}
		if why := refusedRoute(o); why != "" {
			m.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Message: fmt.Sprintf("%s: %s", ch.ref, why)})
		}
	}
}

// refusedRoute is what the first gateway says that does not take a route as it is
// now, "" when none says so
// (https://gateway-api.sigs.k8s.io/reference/spec/#routeparentstatus).
func refusedRoute(o *unstructured.Unstructured) string {
	parents, _, _ := unstructured.NestedSlice(o.Object, "status", "parents")
	for _, p := range parents {
		parent, _ := p.(map[string]any)
		gateway, _, _ := unstructured.NestedString(parent, "parentRef", "name")
		conditions, _, _ := unstructured.NestedSlice(parent, "conditions")
		for _, c := range conditions {
			cond, _ := c.(map[string]any)
			if seen, ok := cond["observedGeneration"].(int64); ok && seen < o.GetGeneration() {
				continue
			}
			if (cond["type"] == "Accepted" || cond["type"] == "ResolvedRefs") && cond["status"] == "False" {
				return fmt.Sprintf("gateway %s does not take it: %v: %v", gateway, cond["reason"], cond["message"])
			}
		}
	}
	return ""
}
