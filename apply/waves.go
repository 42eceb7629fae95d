package apply

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// node is a unit on the way forward: one that moves, or one that stays and is
// waited for because it is not healthy.
type node struct {
	target  target
	moves   bool
	begun   bool          // its first write was sent, or may have been
	ready   chan struct{} // closed when the unit is healthy
	healths []unitHealth
	ran     []Ref // its hooks that were run
	// leftDone are hooks that others had left running, and that ended well.
	leftDone []Ref
}

// nodes are the units of the way forward, in the order of the targets.
func (m *mover) nodes() []*node {
	var out []*node
	for _, t := range m.targets {
		n := &node{target: t, moves: slices.Contains(m.moved, t.unit), ready: make(chan struct{})}
		if !n.moves {
			pods, healthy := podsNow(m.found(t.unit))
			m.unit(t.unit).Pods = pods
			if healthy {
				continue // who needs it does not wait
			}
		}
		out = append(out, n)
	}
	return out
}

// forward applies every unit as soon as what it needs is healthy, and waits for
// it; units that do not need each other do not wait for each other. What is no
// longer wanted goes when all are healthy. When one fails, no other begins.
func (m *mover) forward(ctx context.Context) error {
	nodes := m.nodes()
	byName := map[string]*node{}
	var names []string
	for _, n := range nodes {
		byName[n.target.unit] = n
		names = append(names, n.target.unit)
	}
	m.edges = edges(m.targets, names)
	w := newWriter(m.c, m.em, m.lock)
	g, going := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error {
			for _, need := range m.edges[n.target.unit] {
				select {
				case <-byName[need].ready:
				case <-going.Done():
					return context.Cause(going)
				}
			}
			return m.advance(ctx, going, w, n)
		})
	}
	err := g.Wait()
	m.ran, m.leftDone = map[string][]Ref{}, map[string][]Ref{}
	for _, n := range nodes {
		m.note(n.healths)
		m.leftDone[n.target.unit] = n.leftDone
		if len(n.ran) > 0 {
			m.ran[n.target.unit] = n.ran
		}
		if n.begun {
			m.begun = append(m.begun, n.target.unit)
		}
	}
	if err == nil {
		err = m.lastLook(ctx)
	}
	if err != nil {
		return err
	}
	// The new release is there and healthy: who asks to stop now gets no other end.
	// What cannot be removed does not undo that.
	if err := m.clean(context.WithoutCancel(ctx), w); err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: "not everything that is no longer wanted could be removed", Err: err})
	}
	return nil
}

// advance applies one unit and waits until it is healthy. Writes that were begun
// are finished when another unit fails, so that it is known how they ended;
// going ends then.
func (m *mover) advance(ctx, going context.Context, w *writer, n *node) error {
	if going.Err() != nil {
		return context.Cause(going)
	}
	changes := m.plan.of(n.target.unit)
	if n.moves {
		if err := m.awaitLeft(ctx, going, w, n); err != nil {
			return err
		}
		n.begun = true
		if err := m.runHooks(ctx, going, w, n, phaseBefore); err != nil {
			return err
		}
		if err := w.apply(ctx, going, withoutHooks(changes)); err != nil {
			return err
		}
	}
	var err error
	goals := []goal{m.goal(n.target)}
	wait := func() ([]unitHealth, error) {
		return m.c.wait(going, m.em, m.watcher, goals, m.patience(n.target))
	}
	if was := m.before[n.target.unit]; was != nil && (was.State == StateFailed || was.State == StateDeploying) {
		// What is there may be broken, and stand in the way.
		n.healths, err = m.waitUnstuck(going, goals, wait)
	} else {
		n.healths, err = wait()
	}
	if err != nil {
		return err
	}
	if n.moves {
		if err := m.runHooks(ctx, going, w, n, phaseAfter); err != nil {
			return err
		}
	}
	close(n.ready)
	return nil
}

// patience is how long a unit may take to become healthy; 0 is computed from
// its probes.
func (m *mover) patience(t target) time.Duration {
	if m.timeout > 0 {
		return m.timeout
	}
	return t.deadline
}
