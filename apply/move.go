package apply

import (
	"context"
	"fmt"
	"maps"
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
	prune      bool                        // remove the units of our source that are no targets, once the targets are healthy
	releases   map[string]int              // of a rollback: the recorded release of each target; nil makes new ones
	drops      []string                    // of a rollback: the units that go once the targets are healthy
	finishes   []finish                    // of a rollback: those that were stopped and that it brings to their end
	revisit    func(context.Context) error // finds where a rollback goes anew
	force      bool
	timeout    time.Duration
	lockWait   time.Duration
	noRollback bool
	abort      <-chan struct{}
	takeOver   bool // units of another source may be taken
	// missingCalls warns of calls that lead nowhere.
	missingCalls bool
	ttl          time.Duration
	protected    string
	secretsKey   []byte // under which the names of the targets' Secrets were made; nil when there are none

	snap          *snapshot
	live          map[objectKey]*unstructured.Unstructured
	unclaimed     *lostObjects // what of live lost its managedFields
	plan          *plan
	lock          *lock
	watcher       *watcher
	moved         []string              // the targets' units that are not where they should be
	removals      []string              // the units to remove
	losers        map[string][]Ref      // the units from which the plan takes objects, and which
	before        map[string]*unitState // what the index said of the units that are locked, nil if nothing
	edges         map[string][]string   // what each unit of the way forward waits for
	ran           map[string][]Ref      // the hooks of each unit that were run
	leftDone      map[string][]Ref      // the hooks of each unit that others had left running, and that ended well
	begun         []string              // the moved units of which something may have been written
	wanted        *intent               // as it was recorded
	tried         map[string]int        // the release that each moved unit was to get
	homes         map[string]home       // where each moved unit goes back to
	madeNamespace bool
	cleaned       bool                 // what only releases refer to that the history will drop is deleted
	asked         bool                 // what the caller may do was looked at
	called        map[string]bool      // units whose calls were looked at
	lost          map[string]bool      // units that are there and of which the index knows nothing
	taken         map[objectKey]string // what units have from a deploy that was stopped, and whose it is
	recorded      bool                 // the index has how this ended, and keeps the records
	undone        map[string][]ObjectResult
	result        *Result
}

// run moves the units. The Result is complete in every case.
func (m *mover) run(ctx context.Context) (*Result, error) {
	m.result = &Result{Outcome: Refused}
	err := m.steps(ctx)
	if err != nil && m.madeNamespace && m.lock == nil && m.result.Outcome == Refused {
		m.takeNamespaceBack(ctx)
	}
	m.result.Interrupted = m.result.Interrupted || err != nil && ctx.Err() != nil
	m.fill()
	m.result.Took = time.Since(m.em.start)
	m.writeOutcome(ctx, err)
	m.endFinished(ctx, err)
	return m.result, err
}

func (m *mover) steps(ctx context.Context) error {
	for {
		if err := m.look(ctx); err != nil {
			return err
		}
		if len(m.moved) == 0 && len(m.removals) == 0 {
			return m.unchanged(ctx)
		}
		if err := m.allowed(ctx); err != nil {
			return err
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
		return m.unchanged(ctx)
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
	if _, lost := m.lock.age(); err != nil && lost != nil {
		err = m.c.whyEnded(ctx, lost) // whatever failed, failed of that
	}
	if err != nil {
		return m.backward(ctx, err)
	}
	return m.arrive(ctx)
}

// look reads the index and what is live, and compares. It writes nothing but a
// missing namespace, without which nothing can be asked.
func (m *mover) look(ctx context.Context) error {
	kinds := kindsOf(m.targets, nil)
	var live map[objectKey]*unstructured.Unstructured
	var exists bool
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		exists, err = m.c.namespaceExists(gctx) // one that is being deleted holds nothing for long
		return err
	})
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
	if m.lock == nil && m.snap.refersTo(m.id) {
		return fmt.Errorf("deploy ID %q has been used before", m.id)
	}
	if err := m.suits(&m.snap.index); err != nil {
		return err
	}
	if err := m.ourSource(); err != nil {
		return err
	}
	if m.snap.version == "" {
		// A missing namespace is created for what can be deployed at all.
		if err := m.met(unitsOf(m.targets)); err != nil {
			return err
		}
		if err := m.checkCalls(ctx, unitsOf(m.targets)); err != nil {
			return err
		}
		if !exists {
			if err := m.c.createNamespace(ctx, m.em); err != nil {
				return err
			}
			m.madeNamespace = true
			if err := m.labelNamespace(ctx); err != nil {
				return err
			}
		}
	}
	if err := m.listMore(ctx, kinds, live); err != nil {
		return err
	}
	if err := m.stillRecorded(); err != nil {
		return err
	}
	m.live = live
	var err error
	if m.unclaimed, err = m.c.recall(ctx, &m.snap.index, live); err != nil {
		return err
	}
	m.lost = map[string]bool{}
	for i := range m.targets {
		t := &m.targets[i]
		u := m.snap.Units[t.unit]
		t.history(u)
		if u == nil || u.Last == 0 {
			m.lost[t.unit] = slices.ContainsFunc(m.refsOf(t.unit), func(r Ref) bool { return !keepsData(r) })
		}
	}
	anything := m.snap.version == "" && slices.Contains(slices.Collect(maps.Values(m.lost)), true)
	namespace := live[keyOf(m.c.namespaceRef())]
	for i := range m.targets {
		t := &m.targets[i]
		u := m.snap.Units[t.unit]
		switch {
		case u != nil && u.Last > 0:
		case t.namespace != nil && !m.madeNamespace && namespace != nil && entry(namespace, m.c.owner.Manager()) != nil,
			anything && len(m.refsOf(t.unit)) > 0: // its data, beside others
			m.lost[t.unit] = true
		}
		t.begins = m.lost[t.unit]
	}
	if m.taken, err = m.c.takings(ctx, &m.snap.index, live); err != nil {
		return err
	}
	m.plan = m.c.plan(m.targets, live, m.taken)
	for _, ch := range m.plan.changes {
		ch.force, ch.was = m.force, m.unclaimed.recorded[ch.ref]
		u := m.snap.Units[ch.unit]
		ch.stopped = u != nil && u.Release > 0 && !u.settled(m.id)
	}
	if err := m.c.refine(ctx, m.plan); err != nil {
		return err
	}
	m.removals = m.leaving()
	if err := m.owners(ctx); err != nil {
		return err
	}
	m.moved = nil
	for _, t := range m.targets {
		if m.moves(t.unit) {
			m.moved = append(m.moved, t.unit)
		}
	}
	if err := m.met(m.moved); err != nil {
		return err
	}
	return m.checkCalls(ctx, m.moved)
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
func (m *mover) listMore(ctx context.Context, listed []kindRef, live map[objectKey]*unstructured.Unstructured) error {
	var more []kindRef
	for _, k := range m.snap.Kinds {
		if !slices.ContainsFunc(listed, func(l kindRef) bool { return l.groupKind() == k.groupKind() }) {
			more = append(more, k)
		}
	}
	old, err := m.c.live(ctx, more)
	maps.Copy(live, old)
	return err
}

// moves reports whether a unit is not yet, or not surely, where it should be.
func (m *mover) moves(unit string) bool {
	u := m.snap.Units[unit]
	if len(m.losers[unit]) > 0 || !u.settled(m.id) || m.releases == nil && u.Source != m.c.owner.Source || m.releases != nil && u.Release != m.releases[unit] {
		return true
	}
	return slices.ContainsFunc(m.plan.of(unit), func(ch *change) bool { return ch.action != ActionUnchanged })
}

// enter takes the lock of what moves. It reports false when the index changed
// since look so that other units move now: then it holds nothing.
func (m *mover) enter(ctx context.Context) (bool, error) {
	units := m.locked()
	looked := m.snap.version
	l, snap, err := m.c.acquire(ctx, m.em, m.snap, m.id, units, m.lockWait, m.firstWrite)
	if err != nil {
		return false, err
	}
	m.lock = l
	if l.outdated(snap, looked) {
		// Somebody was there between: look again, inside the lock.
		if m.revisit != nil && snap.base != looked {
			err = m.revisit(ctx)
		}
		if err == nil {
			err = m.look(ctx)
		}
		missing := func(u string) bool { return !slices.Contains(units, u) }
		if err == nil && !slices.ContainsFunc(m.locked(), missing) {
			return true, nil
		}
		if released := l.release(context.WithoutCancel(ctx)); err == nil {
			err = released
		}
		return false, err
	}
	m.snap = snap
	return true, nil
}

// firstWrite is part of the write that takes the lock: what the index has of the
// whole app.
func (m *mover) firstWrite(ix *index) error {
	if err := m.suits(ix); err != nil {
		return err
	}
	if m.releases == nil {
		ix.stay(m.c.owner.Source, m.ttl)
		ix.Protected = m.protected
	}
	if m.secretsKey != nil {
		ix.SecretsKey = m.secretsKey
	}
	return nil
}

// begin records what is about to happen: from here on a dead process leaves a
// deploy that the next one finds.
func (m *mover) begin(ctx context.Context) error {
	m.before = map[string]*unitState{}
	for _, name := range m.locked() {
		if u := m.snap.Units[name]; u != nil {
			m.before[name] = u
		}
	}
	m.warn()
	m.warnTaken()
	m.tellFinishes()
	var err error
	if m.homes, err = m.findHomes(ctx); err != nil {
		return err
	}
	if err := m.record(ctx); err != nil {
		return err
	}
	kinds := m.snap.Kinds
	m.watcher = m.c.watch(ctx, m.em, kinds)
	m.watcher.ours = func(ctx context.Context) error { return m.lock.hold(ctx) }
	for _, ch := range m.plan.changes {
		if slices.Contains(m.moved, ch.unit) {
			ref := ch.ref
			m.em.emit(Event{Kind: EventPlan, Unit: ch.unit, Object: &ref, Action: ch.action, Fields: ch.fields})
		}
	}
	return nil
}

// warn tells what whoever deploys should know before anything is written.
func (m *mover) warn() {
	m.warnDeleting()
	m.warnUnclaimed()
	for _, t := range m.targets {
		if u := m.before[t.unit]; m.releases == nil && u != nil && u.Last > 0 && u.Source != m.c.owner.Source {
			m.em.emit(Event{Kind: EventWarning, Unit: t.unit, Message: fmt.Sprintf("it came from %s until now, and comes from %s from here on", u.Source, m.c.owner.Source)})
		}
	}
	m.warnUnrecorded()
}

// leave gives the lock back: nothing was changed, and the index says again what
// it said before. The intent may be written already, with or without the index
// knowing; it goes.
func (m *mover) leave(ctx context.Context) {
	ctx, cancel := hurry(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := m.settle(ctx, m.restore); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: lockKept, Err: err})
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
		case ch.hook != "":
		case ch.applied != nil:
			objects, moved = append(objects, ch.applied), true
		case ch.live != nil && ch.action == ActionUnchanged:
			objects = append(objects, ch.live)
		}
	}
	return newGoal(t.unit, objects, moved)
}
