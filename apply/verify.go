package apply

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// unchanged ends a deploy that has nothing to change.
func (m *mover) unchanged(ctx context.Context) error {
	m.prolong(ctx)
	m.warnDeleting()
	m.tellFinishes()
	return m.verify(ctx)
}

// verify looks whether what is unchanged is healthy too, waiting for what is
// not. It writes nothing, so there is nothing to go back to.
func (m *mover) verify(ctx context.Context) error {
	var goals []goal
	for _, t := range m.targets {
		objects := m.found(t.unit)
		pods, healthy := podsNow(objects)
		m.unit(t.unit).Pods = pods
		if !healthy {
			goals = append(goals, newGoal(t.unit, objects, false))
		}
	}
	if len(goals) > 0 {
		m.watcher = m.c.watch(ctx, m.em, kindsOf(m.targets, nil))
		defer m.watcher.close()
		healths, err := m.c.wait(ctx, m.em, m.watcher, goals, m.timeout)
		m.note(healths)
		if errors.Is(err, errNotHealthy) {
			m.result.Outcome = Failed
			return &RolloutError{Outcome: Failed, Diagnoses: m.result.Diagnoses()}
		}
		if err != nil {
			m.result.Interrupted = ctx.Err() != nil
			return err
		}
	}
	m.remark()
	m.result.Outcome = Unchanged
	return nil
}

// found are the unit's objects as they were when the plan was made.
func (m *mover) found(unit string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, ch := range m.plan.of(unit) {
		if ch.live != nil && ch.hook == "" {
			out = append(out, ch.live)
		}
	}
	return out
}

// podsNow counts the pods of a unit's workloads, and reports whether all of them are
// healthy.
func podsNow(objects []*unstructured.Unstructured) (pods Pods, healthy bool) {
	healthy = true
	for _, o := range objects {
		if !hasPods(o) {
			continue
		}
		v := health.Evaluate(&health.Workload{Object: o}, 0)
		pods.Wanted += v.Pods.Wanted
		pods.Updated += v.Pods.Updated
		pods.Ready += v.Pods.Ready
		healthy = healthy && v.Healthy
	}
	return pods, healthy
}
