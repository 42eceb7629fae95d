package apply

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// remark warns of what is healthy and yet not what who deploys may think: pods of an
// earlier release that nothing replaces, a CronJob that somebody suspended, a
// service that somebody scaled to nothing.
func (m *mover) remark() {
	for _, t := range m.targets {
		objects := m.reached(t.unit)
		for _, o := range objects {
			said := health.Remark(m.now(o))
			if said == "" {
				said = scaledAway(m.now(o), objects)
			}
			if said != "" {
				ref := refOf(o)
				m.em.emit(Event{Kind: EventWarning, Unit: t.unit, Object: &ref, Message: said})
			}
		}
	}
}

// reached are the objects of a unit as the server answered, or as they were found.
func (m *mover) reached(unit string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, ch := range m.plan.of(unit) {
		switch {
		case ch.hook != "" || ch.action == ActionDelete:
		case ch.applied != nil:
			out = append(out, ch.applied)
		case ch.live != nil:
			out = append(out, ch.live)
		}
	}
	return out
}

// now is o as it was last heard of.
func (m *mover) now(o *unstructured.Unstructured) *unstructured.Unstructured {
	if m.watcher != nil {
		if w := m.watcher.workload(refOf(o)); w != nil {
			return w.Object
		}
	}
	return o
}

// scaledAway says that o has no pods though an autoscaler of objects is to keep some:
// a HorizontalPodAutoscaler does not act on a workload that somebody scaled to 0
// (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation).
func scaledAway(o *unstructured.Unstructured, objects []*unstructured.Unstructured) string {
	if n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); !ok || n > 0 {
		return ""
	}
	ref := refOf(o)
	for _, a := range objects {
		k, ok := scales(a)
		least, set, _ := unstructured.NestedInt64(a.Object, "spec", "minReplicas")
		if !ok || a.GetKind() != "HorizontalPodAutoscaler" || k != (kindName{ref.Kind, ref.Name}) || set && least == 0 {
			continue
		}
		return fmt.Sprintf("%s was scaled to 0%s, from where %s does not scale it: kubectl -n %s scale %s %s --replicas=%d",
			ref, health.SetBy(o, "spec", "replicas"), refOf(a), ref.Namespace, strings.ToLower(ref.Kind), ref.Name, max(least, 1))
	}
	return ""
}

// denyPaused refuses what would wait for pods that nothing makes: other pods of a
// Deployment that is paused, by somebody else or as it is written.
func (f *preflight) denyPaused(changes []*change) {
	for _, ch := range changes {
		if ch.err != nil || ch.ref.Kind != "Deployment" || ch.action != ActionCreate && !changesTemplate(ch.fields) {
			continue
		}
		var d *Diagnosis
		written, ok, _ := unstructured.NestedBool(ch.desired.Object, "spec", "paused")
		switch {
		case written:
			d = health.PausedAsWritten(ch.ref)
		case !ok && ch.action == ActionUpdate:
			d = health.Paused(ch.live)
		}
		if d != nil {
			d.Unit = ch.unit
			f.found = append(f.found, d)
		}
	}
}

func changesTemplate(fields []string) bool {
	for _, field := range fields {
		if strings.HasPrefix(field, ".spec.template") {
			return true
		}
	}
	return false
}
