package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A Job with spec.ttlSecondsAfterFinished goes away by itself when it has run
// (https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/). That
// it has run to its end is remembered with each release that has it, by its name and
// what it runs: then it is not missed, and not run again, unless it changes. Any other
// Job stays for as long as it is wanted: one that somebody deletes is made, and runs,
// again.
//
// It is kept among the hashed objects, where an older shipit leaves it alone: no
// object has such a name.

// runsOnce reports whether o is such a Job, and no hook: of those all are remembered.
func runsOnce(o *unstructured.Unstructured) bool {
	_, ttl, _ := unstructured.NestedInt64(o.Object, "spec", "ttlSecondsAfterFinished")
	return ttl && o.GetKind() == "Job" && hookPhase(o) == ""
}

// onceKey names what such a Job runs. What may be changed of a Job that is there does
// not make it another one.
func onceKey(o *unstructured.Unstructured) string {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec") // a copy
	for _, field := range []string{"ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit", "parallelism", "suspend"} {
		delete(spec, field)
	}
	data, _ := json.Marshal(spec) // it was read from JSON, and its keys are sorted
	sum := sha256.Sum256(data)
	return o.GetName() + "@" + hex.EncodeToString(sum[:8])
}

// onceRef is how a key is kept.
func onceRef(key string) Ref { return Ref{APIVersion: "batch/v1", Kind: "Job", Name: key} }

// onceAll is kept of a release that runs nothing but such Jobs, all of which have run.
const onceAll = "@"

// finished reports whether no workload of a release need be there.
func (r *releaseState) finished() bool { return slices.Contains(r.Hashed, onceRef(onceAll)) }

// once are the Jobs that the history knows to have run.
func (u *unitState) once() map[string]bool {
	out := map[string]bool{}
	if u == nil {
		return out
	}
	for _, r := range u.Releases {
		for _, ref := range r.Hashed {
			if ref == onceRef(ref.Name) && strings.Contains(ref.Name, "@") {
				out[ref.Name] = true
			}
		}
	}
	return out
}

// history gives a target what the index knows of its unit.
func (t *target) history(u *unitState) {
	t.retained, t.ran, t.once = u.retained(), u.ran(), u.once()
}

// over reports whether o has run, and removed itself.
func (t *target) over(o, live *unstructured.Unstructured) bool {
	return live == nil && runsOnce(o) && t.once[onceKey(o)]
}

// rememberOnce writes into a release which of its Jobs have run, and whether that is
// all that it runs.
func (m *mover) rememberOnce(t target, r *releaseState) {
	left, keys := false, []string(nil)
	for _, o := range t.objects {
		if !hasTemplate(kindRef{o.GetAPIVersion(), o.GetKind()}) || hookPhase(o) != "" {
			continue
		}
		key := onceKey(o)
		done := runsOnce(o) && (t.once[key] || m.completedNow(refOf(o)))
		if done {
			keys = append(keys, key)
		}
		left = left || !done
	}
	if len(keys) > 0 && !left {
		keys = append(keys, onceAll)
	}
	for _, key := range keys {
		if !slices.Contains(r.Hashed, onceRef(key)) {
			r.Hashed = append(slices.Clone(r.Hashed), onceRef(key))
		}
	}
}

// completedNow reports whether the Job that was applied, or found unchanged, has run
// to its end, also when it is gone by now.
func (m *mover) completedNow(ref Ref) bool {
	for _, ch := range m.plan.changes {
		o := ch.applied
		if o == nil && ch.action == ActionUnchanged {
			o = ch.live
		}
		if ch.ref != ref || o == nil {
			continue
		}
		if completedJob(o) {
			return true
		}
		if m.watcher == nil {
			return false
		}
		w := m.watcher.awaited(awaited{ref: ref, uid: o.GetUID()})
		return w != nil && w.Object.GetUID() == o.GetUID() && completedJob(w.Object)
	}
	return false
}
