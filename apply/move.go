package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mover takes units from where they are to their targets, or back. One is made
// for each call.
type mover struct {
	c  *Client
	em *emitter

	id         string
	targets    []target
	prune      bool           // remove the units of our source that are no targets, once the targets are healthy
	releases   map[string]int // of a rollback: the recorded release of each target; nil makes new ones
	timeout    time.Duration
	lockWait   time.Duration
	noRollback bool
	abort      <-chan struct{}

	snap     *snapshot
	live     map[Ref]*unstructured.Unstructured
	plan     *plan
	lock     *lock
	watcher  *watcher
	moved    []string              // the targets' units that are not where they should be
	removals []string              // the units to remove
	before   map[string]*unitState // what the index said of moved and removals, nil if nothing
	edges    map[string][]string   // what each unit of the way forward waits for
	begun    []string              // the moved units of which something may have been written
	tried    map[string]int        // the release that each moved unit was to get
	homes    map[string]home       // where each moved unit goes back to
	undone   map[string][]ObjectResult
	result   *Result
}

// home is where a unit returns to.
type home struct {
	release int // 0: it is removed
	target  target
	err     error // why there is no way back
}

// run moves the units. The Result is complete in every case.
func (m *mover) run(ctx context.Context) (*Result, error) {
	m.result = &Result{Outcome: Refused}
	err := m.steps(ctx)
	m.fill()
	m.result.Took = time.Since(m.em.start)
	return m.result, err
}

func (m *mover) steps(ctx context.Context) error {
	for {
		if err := m.look(ctx); err != nil {
			return err
		}
		if len(m.moved) == 0 && len(m.removals) == 0 {
			return m.verify(ctx)
		}
		held, err := m.enter(ctx)
		if err != nil {
			return err
		}
		if held {
			break
		}
	}
	defer m.lock.drop(context.WithoutCancel(ctx))
	if len(m.moved) == 0 && len(m.removals) == 0 {
		m.leave(ctx) // whoever held the lock before did what we were to do
		return m.verify(ctx)
	}
	m.result.DeployID = m.id
	if err := m.begin(ctx); err != nil {
		m.leave(ctx)
		return err
	}
	defer m.watcher.close()
	m.result.Outcome = Interrupted
	held, stop := m.lock.during(ctx)
	err := m.forward(held)
	stop()
	if err != nil {
		return m.backward(ctx, err)
	}
	return m.arrive(ctx)
}

// look reads the index and what is live, and compares. It writes nothing but a
// missing namespace, without which nothing can be asked.
func (m *mover) look(ctx context.Context) error {
	kinds := kindsOf(m.targets, nil)
	var live map[Ref]*unstructured.Unstructured
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		m.snap, err = store{m.c}.read(gctx)
		return err
	})
	g.Go(func() (err error) {
		live, err = m.c.live(gctx, kinds)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if m.snap.version == "" {
		// A missing namespace is created for what can be deployed at all.
		if err := m.met(unitsOf(m.targets)); err != nil {
			return err
		}
		exists, err := m.c.namespaceExists(ctx)
		if err == nil && !exists {
			err = m.c.createNamespace(ctx, m.em)
		}
		if err != nil {
			return err
		}
	}
	if err := m.listMore(ctx, kinds, live); err != nil {
		return err
	}
	m.live = live
	m.plan = m.c.plan(m.targets, live)
	if err := m.c.refine(ctx, m.plan); err != nil {
		return err
	}
	m.removals = nil
	if m.prune {
		m.removals = m.abandoned()
	}
	m.moved = nil
	for _, t := range m.targets {
		if m.moves(t.unit) {
			m.moved = append(m.moved, t.unit)
		}
	}
	return m.met(m.moved)
}

func unitsOf(targets []target) []string {
	var out []string
	for _, t := range targets {
		out = append(out, t.unit)
	}
	return out
}

// abandoned are the units of our source that are no targets any more.
func (m *mover) abandoned() []string {
	var out []string
	for name, u := range m.snap.Units {
		target := slices.ContainsFunc(m.targets, func(t target) bool { return t.unit == name })
		if !target && u.Source == m.c.owner.Source && u.Release > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// listMore lists the kinds that the app had before and has no more.
func (m *mover) listMore(ctx context.Context, listed []kindRef, live map[Ref]*unstructured.Unstructured) error {
	var more []kindRef
	for _, k := range m.snap.Kinds {
		if !slices.Contains(listed, k) {
			more = append(more, k)
		}
	}
	old, err := m.c.live(ctx, more)
	for ref, o := range old {
		live[ref] = o
	}
	return err
}

// moves reports whether a unit is not yet, or not surely, where it should be.
func (m *mover) moves(unit string) bool {
	u := m.snap.Units[unit]
	if !u.settled(m.id) || m.releases == nil && u.Source != m.c.owner.Source || m.releases != nil && u.Release != m.releases[unit] {
		return true
	}
	return slices.ContainsFunc(m.plan.of(unit), func(ch *change) bool { return ch.action != ActionUnchanged })
}

// enter takes the lock of what moves. It reports false when the index changed
// since look so that other units move now: then it holds nothing.
func (m *mover) enter(ctx context.Context) (bool, error) {
	units := slices.Concat(m.moved, m.removals)
	looked := m.snap.version
	l, snap, err := m.c.acquire(ctx, m.em, m.snap, m.id, units, m.lockWait)
	if err != nil {
		return false, err
	}
	m.lock = l
	if snap.base != looked {
		// Somebody was there between: look again, inside the lock.
		err = m.look(ctx)
		missing := func(u string) bool { return !slices.Contains(units, u) }
		if err == nil && !slices.ContainsFunc(slices.Concat(m.moved, m.removals), missing) {
			return true, nil
		}
		if _, released := l.release(context.WithoutCancel(ctx), nil); err == nil {
			err = released
		}
		return false, err
	}
	m.snap = snap
	return true, nil
}

// begin records what is about to happen: from here on a dead process leaves a
// deploy that the next one finds.
func (m *mover) begin(ctx context.Context) error {
	m.before = map[string]*unitState{}
	for _, name := range slices.Concat(m.moved, m.removals) {
		if u := m.snap.Units[name]; u != nil {
			m.before[name] = u
		}
	}
	m.homes = m.findHomes(ctx)
	if err := m.record(ctx); err != nil {
		return err
	}
	kinds := m.snap.Kinds
	m.watcher = m.c.watch(ctx, m.em, kinds)
	for _, ch := range m.plan.changes {
		if slices.Contains(m.moved, ch.unit) {
			ref := ch.ref
			m.em.emit(Event{Kind: EventPlan, Unit: ch.unit, Object: &ref, Action: ch.action})
		}
	}
	return nil
}

// leave gives the lock back: nothing was changed, and the index says again what
// it said before. The intent may be written already, with or without the index
// knowing; it goes.
func (m *mover) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := m.settle(ctx, m.restore); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "the lock was not released cleanly", Err: err})
	}
}

// letGo gives the lock back and leaves everything as it is, half-way: the index
// says so.
func (m *mover) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := m.lock.release(ctx, nil); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "the lock was not released cleanly", Err: err})
	}
}

func (m *mover) movedChanges() []*change {
	var out []*change
	for _, ch := range m.plan.changes {
		if slices.Contains(m.moved, ch.unit) {
			out = append(out, ch)
		}
	}
	return out
}

// goal is a target's unit as the server answered, or as it was found.
func (m *mover) goal(t target) goal {
	var objects []*unstructured.Unstructured
	moved := false
	for _, ch := range m.plan.of(t.unit) {
		switch {
		case ch.applied != nil:
			objects, moved = append(objects, ch.applied), true
		case ch.live != nil && ch.action == ActionUnchanged:
			objects = append(objects, ch.live)
		}
	}
	return newGoal(t.unit, objects, moved)
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
	m.result.Outcome = Unchanged
	return nil
}

// found are the unit's objects as they were when the plan was made.
func (m *mover) found(unit string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, ch := range m.plan.of(unit) {
		if ch.live != nil {
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
		if !isWorkload(kindRef{o.GetAPIVersion(), o.GetKind()}) {
			continue
		}
		v := evaluate(&workload{object: o}, 0)
		pods.Wanted += v.pods.Wanted
		pods.Updated += v.pods.Updated
		pods.Ready += v.pods.Ready
		healthy = healthy && v.healthy
	}
	return pods, healthy
}
