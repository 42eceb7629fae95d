package apply

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// A hook is a Job that belongs to a deploy of its unit, as its annotations say. It
// is named by its content: one of the same name has run the same thing.
//
// A hook that has run to its end is remembered among the hashed objects of every
// release that has it, even if the release failed later: it is not run again,
// whether its object is there or not. An older shipit keeps what it finds there.
const (
	annotationPhase = "shipit.dev/phase"
	phaseBefore     = "before" // the workload changes
	phaseAfter      = "after"  // the workload is healthy

	annotationRun = "shipit.dev/run"
	runEvery      = "everyDeploy" // in every deploy that moves the unit, whether it has run or not

	// labelTaskOf is on the pods of a hook, which must not have labelName: a Service
	// would take them for the workload's.
	labelTaskOf = "shipit.dev/task-of"
)

// hookPhase is "" of what is no hook.
func hookPhase(o *unstructured.Unstructured) string {
	if o.GetKind() != "Job" {
		return ""
	}
	return o.GetAnnotations()[annotationPhase]
}

func checkHook(o *unstructured.Unstructured) error {
	switch p := hookPhase(o); p {
	case "":
		return nil
	case phaseBefore, phaseAfter:
		if suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend"); suspended {
			return fmt.Errorf("%s: a Job of a deploy (%s: %s) would never end with spec.suspend: true; drop suspend", refOf(o), annotationPhase, p)
		}
		return nil
	default:
		return fmt.Errorf("%s: annotation %s is %q, not %s or %s", refOf(o), annotationPhase, p, phaseBefore, phaseAfter)
	}
}

// ran are the hooks that the history knows to have run.
func (u *unitState) ran() map[objectKey]bool {
	out := map[objectKey]bool{}
	if u == nil {
		return out
	}
	for _, r := range u.Releases {
		for _, ref := range r.Hashed {
			if ref.Kind == "Job" {
				out[keyOf(ref)] = true
			}
		}
	}
	return out
}

// completed reports whether a Job has run to its end.
func completedJob(o *unstructured.Unstructured) bool {
	return o != nil && health.JobComplete(o)
}

// planHook decides about a hook; nil is that there is nothing to do. A hook that
// was not run moves its unit; one that runs in every deploy does not.
func planHook(t target, o, live *unstructured.Unstructured) *change {
	if t.past {
		return nil
	}
	ch := &change{unit: t.unit, ref: refOf(o), desired: o, live: live, hook: hookPhase(o), action: ActionUnchanged}
	done := t.ran[keyOf(ch.ref)] || completedJob(live)
	switch {
	case done && o.GetAnnotations()[annotationRun] != runEvery:
		return nil
	case !done && live == nil:
		ch.action = ActionCreate
	}
	return ch
}

func withoutHooks(changes []*change) []*change {
	return slices.DeleteFunc(slices.Clone(changes), func(ch *change) bool { return ch.hook != "" })
}

// prepare makes what the pods of hooks may refer to: objects that are not there
// yet, which nothing that runs can notice. Nothing that is there changes, and
// nothing is exposed.
func (m *mover) prepare(ctx, going context.Context, w *writer, changes []*change) error {
	var fresh []*change
	for _, ch := range changes {
		if ch.action == ActionCreate && (phase(ch.ref) == phaseFirst || phase(ch.ref) == phaseBindings) && !exposes(ch.ref) {
			fresh = append(fresh, ch)
		}
	}
	return w.apply(ctx, going, fresh)
}

func exposes(ref Ref) bool {
	switch ref.Kind {
	case "Service", "Ingress", "HTTPRoute", "GRPCRoute", "Gateway":
		return true
	}
	return false
}

// runHooks runs the hooks of one phase, one after the other in the order of the
// unit's objects.
func (m *mover) runHooks(ctx, going context.Context, w *writer, n *node, when string) error {
	changes := m.plan.of(n.target.unit)
	hooks := slices.DeleteFunc(slices.Clone(changes), func(ch *change) bool { return ch.hook != when })
	if when == phaseBefore && len(hooks) > 0 {
		if err := m.prepare(ctx, going, w, withoutHooks(changes)); err != nil {
			return err
		}
		if err := w.awaitSecrets(going, changes); err != nil {
			return err
		}
	}
	for _, ch := range hooks {
		if going.Err() != nil {
			return context.Cause(going)
		}
		if err := m.startHook(ctx, going, w, ch); err != nil {
			return err
		}
		g := newGoal(n.target.unit, []*unstructured.Unstructured{ch.applied}, false)
		g.hook = true
		healths, err := m.c.wait(going, m.em, m.watcher, []goal{g}, m.timeout)
		if err != nil {
			n.healths = healths
			return err
		}
		n.ran = append(n.ran, ch.ref)
	}
	return nil
}

// startHook makes the Job. One that a killed deploy left running is waited for;
// any other of its name has to go first.
func (m *mover) startHook(ctx, going context.Context, w *writer, ch *change) error {
	if ch.live != nil {
		if !health.JobEnded(ch.live) {
			ch.applied, ch.done = ch.live, true
			return nil
		}
		if ch.err = w.remove(ctx, ch); ch.err != nil {
			return ch.err
		}
		if err := m.awaitOther(going, ch); err != nil {
			return err
		}
	}
	ch.action, ch.done = ActionCreate, false
	w.one(ctx, ch)
	return ch.err
}

// awaitOther waits until the Job that was removed is gone.
func (m *mover) awaitOther(ctx context.Context, ch *change) error {
	ctx, cancel := context.WithTimeout(ctx, m.deletionTimeout())
	defer cancel()
	ch.err = m.c.objectGone(ctx, m.em, ch.unit, ch.ref, ch.live)
	return ch.err
}

// remember writes into the history which hooks of the releases, and which Jobs that
// remove themselves, have run, in this deploy or before.
func (m *mover) remember(ix *index) {
	for _, t := range m.targets {
		u := ix.Units[t.unit]
		if u == nil || !slices.Contains(m.begun, t.unit) {
			continue
		}
		r := u.release(m.tried[t.unit])
		if r == nil {
			continue
		}
		m.rememberOnce(t, r)
		if m.releases != nil {
			continue // a rollback runs no hooks
		}
		for _, o := range t.objects {
			ref := refOf(o)
			if hookPhase(o) == "" || contains(r.Hashed, ref) {
				continue
			}
			if t.ran[keyOf(ref)] || contains(m.ran[t.unit], ref) || completedJob(m.live[keyOf(ref)]) {
				r.Hashed = append(slices.Clone(r.Hashed), ref)
			}
		}
	}
}
