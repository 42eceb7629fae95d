package apply

import (
	"context"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipit-dev/shipit/apply/health"
)

// waitUnstuck waits for goals and deletes meanwhile the pods that would hold
// them up for ever.
func (m *mover) waitUnstuck(ctx context.Context, goals []goal, wait func() ([]unitHealth, error)) ([]unitHealth, error) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { m.unstick(ctx, goals) })
	defer running.Wait()
	defer stop()
	return wait()
}

// unstick deletes the unready pods of other revisions of StatefulSets. With
// ordered pods a StatefulSet waits for a broken pod to become ready before it
// replaces it, even by the revision that was there before
// (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
func (m *mover) unstick(ctx context.Context, goals []goal) {
	news, stop := m.watcher.listen()
	defer stop()
	deleted := map[types.UID]bool{}
	for {
		for _, g := range goals {
			for _, a := range g.workloads {
				for _, p := range m.watcher.stuck(a) {
					if !deleted[p.UID] {
						deleted[p.UID] = true
						m.deletePod(ctx, g.name, p)
					}
				}
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// stuck lists the unready pods of a StatefulSet that are not of the revision that
// it goes to, once its controller has seen what was applied.
func (w *watcher) stuck(a awaited) []*corev1.Pod {
	s := w.workloads[kindRef{a.ref.APIVersion, a.ref.Kind}]
	if a.ref.Kind != "StatefulSet" || s == nil {
		return nil
	}
	got, ok, _ := s.GetByKey(a.ref.Namespace + "/" + a.ref.Name)
	if !ok {
		return nil
	}
	o := got.(*unstructured.Unstructured)
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	revision, _, _ := unstructured.NestedString(o.Object, "status", "updateRevision")
	if o.GetGeneration() < a.generation || observed < o.GetGeneration() || revision == "" {
		return nil
	}
	var out []*corev1.Pod
	for _, got := range w.pods.List() {
		p := got.(*corev1.Pod)
		if metav1.IsControlledBy(p, o) && p.DeletionTimestamp == nil && p.Labels[appsv1.ControllerRevisionHashLabelKey] != revision && !health.Ready(p) {
			out = append(out, p)
		}
	}
	return out
}

// deletePod deletes one pod; what fails is told, and the wait goes on without.
func (m *mover) deletePod(ctx context.Context, unit string, p *corev1.Pod) {
	err := newWriter(m.c, m.em, m.lock).retry(ctx, func(ctx context.Context) error {
		return m.c.core.Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}})
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil {
		return
	}
	ref := Ref{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}
	m.em.emit(Event{Kind: EventApplied, Unit: unit, Object: &ref, Action: ActionDelete, Err: m.c.typed(err, ref, nil)})
}
