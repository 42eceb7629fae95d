package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// deleteTimeout is how long deleted objects and their pods may take to go: twice
// the default termination grace, and more.
const deleteTimeout = 2 * time.Minute

// Delete removes units with all their objects and records, and waits until their
// pods are gone. Claims stay unless the request says otherwise: what stays is
// told as a warning. Without units it removes those of the Owner's Source, or all
// when it has none; with the last unit the app goes: its state, and its namespace
// if shipit made it and nothing is left in it. It ends as Removed,
// Unchanged (there was nothing), Refused, Failed or Interrupted.
func (c *Client) Delete(ctx context.Context, req DeleteRequest, sink func(Event)) (*Result, error) {
	return c.call(ctx, sink, func(ctx context.Context, em *emitter) (*Result, error) {
		d := &deleter{c: c, em: em, id: newDeployID(), req: req, result: &Result{Outcome: Refused}}
		err := d.run(ctx)
		d.result.Took = time.Since(em.start)
		return d.result, err
	})
}

type deleter struct {
	c      *Client
	em     *emitter
	id     string
	req    DeleteRequest
	units  []string
	snap   *snapshot
	kinds  []kindRef // of the objects that are looked for
	live   map[objectKey]*unstructured.Unstructured
	lost   *lostObjects
	lock   *lock
	result *Result
}

func (d *deleter) run(ctx context.Context) error {
	exists, err := d.c.namespaceExists(ctx)
	if err != nil {
		return err
	}
	if !exists {
		d.result.Outcome = Unchanged
		return nil
	}
	for d.lock == nil {
		if err := d.enter(ctx); errors.Is(err, errRenewed) {
			d.result.Outcome = Unchanged
			return nil
		} else if err != nil {
			return err
		}
		if d.lock == nil {
			if again, err := d.tidy(ctx); err != nil || !again {
				return err
			}
		}
	}
	defer d.lock.drop(context.WithoutCancel(ctx))
	d.result.DeployID, d.result.Outcome = d.id, Interrupted
	if err := d.remove(ctx); err != nil {
		if ctx.Err() == nil {
			d.result.Outcome = Failed
		}
		d.result.Interrupted = ctx.Err() != nil
		d.release(ctx)
		return d.c.whyEnded(ctx, err)
	}
	if err := d.forget(ctx); err != nil {
		return err
	}
	d.result.Outcome = Removed
	return nil
}

// enter finds what is to go and takes the lock of its units. It holds none when
// there are no units.
func (d *deleter) enter(ctx context.Context) error {
	for {
		if err := d.look(ctx); err != nil {
			return err
		}
		if len(d.units) == 0 && d.snap.version == "" {
			return nil
		}
		units, looked := d.units, d.snap.version
		l, snap, err := d.c.acquire(ctx, d.em, d.snap, d.id, units, d.req.LockWait, d.stillOver)
		if err != nil {
			return err
		}
		if d.lock = l; !l.outdated(snap, looked) {
			d.snap = snap
			return nil
		}
		// Somebody was there between, and what they made has to go, too.
		err = d.look(ctx)
		if err == nil && !slices.ContainsFunc(d.units, func(u string) bool { return !slices.Contains(units, u) }) {
			return nil
		}
		d.release(ctx)
		if d.lock = nil; err != nil {
			return err
		}
	}
}

// look finds the units, and their objects. What carries the labels of the app
// counts too, where no index tells which kinds it may be of.
func (d *deleter) look(ctx context.Context) (err error) {
	if d.snap, err = (store{d.c}).read(ctx); err != nil {
		return err
	}
	unknown := func(name string) bool { return d.snap.Units[name] == nil }
	everywhere := d.snap.version == "" || slices.ContainsFunc(d.req.Units, unknown)
	d.kinds = d.snap.Kinds
	if everywhere || len(d.req.Units) == 0 {
		d.kinds = kindsOf(nil, slices.Concat(d.kinds, d.c.kinds.usual()))
	}
	if d.live, err = d.c.live(ctx, d.kinds); err != nil {
		return err
	}
	if everywhere {
		if err := d.c.liveOfAll(ctx, d.kinds, d.live); err != nil {
			return err
		}
	}
	if d.lost, err = d.c.recall(ctx, &d.snap.index, d.live); err != nil {
		return err
	}
	found, err := d.found(ctx)
	if err != nil {
		return err
	}
	if len(d.req.Units) > 0 {
		d.units, err = d.named(found)
		return err
	}
	for name := range d.snap.Units {
		found = append(found, name)
	}
	slices.Sort(found)
	var others []string
	d.units, others = d.snap.ofSource(slices.Compact(found), d.c.owner.Source)
	leftAlone(d.em, others)
	return nil
}

// found are the units of the objects that are there and would go.
func (d *deleter) found(ctx context.Context) ([]string, error) {
	var out []string
	for _, o := range d.live {
		if entry(o, d.c.owner.Manager()) != nil && (d.req.Claims || !keepsData(refOf(o))) {
			out = append(out, unitOf(o))
		}
	}
	if d.req.Claims {
		// What was deleted without its claims has none but them.
		claims, err := d.c.claims(ctx, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range claims {
			out = append(out, unitOf(o))
		}
	}
	return out, nil
}

// named returns the units of the request. They are in the index, if only because
// somebody is about to deploy them, or found without.
func (d *deleter) named(found []string) ([]string, error) {
	for _, name := range d.req.Units {
		if d.snap.Units[name] == nil && !slices.Contains(found, name) {
			if err := leftError(d.c.owner.App, ofUnits(d.lost.unsure, []string{name})); err != nil {
				return nil, err
			}
			if _, err := d.c.named(&d.snap.index, d.req.Units); err != nil {
				return nil, err
			}
		}
	}
	names := slices.Sorted(slices.Values(d.req.Units))
	return slices.Compact(names), nil
}

// remove marks the units, deletes their objects and waits until all is gone.
func (d *deleter) remove(ctx context.Context) error {
	timeout := d.req.Timeout
	if timeout == 0 {
		timeout = deleteTimeout
	}
	var err error
	snap := d.snap
	err = repeat(ctx, func(bool) (err error) {
		d.snap, err = d.lock.swap(ctx, d.em, snap, snap, func(ix *index) error {
			for _, name := range d.units {
				ix.Units[name].State = StateDeploying
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	w := d.c.watch(ctx, d.em, d.kinds)
	defer w.close()
	for _, name := range d.units {
		if err := w.outlastHooks(ctx, d.c.leftHooks(d.live, name), timeout); err != nil {
			return err
		}
	}
	taken, err := d.c.takings(ctx, &d.snap.index, d.live)
	if err != nil {
		return err
	}
	var targets []target
	for _, name := range d.units {
		targets = append(targets, target{unit: name, claims: d.req.Claims, removed: true})
	}
	p := d.c.plan(targets, d.live, taken)
	warnTaken(d.em, p, taken, d.live)
	claims, err := d.c.claims(ctx, d.units)
	if err != nil {
		return err
	}
	if d.req.Claims {
		p.changes = append(p.changes, d.c.lostClaims(p, claims)...)
	}
	writer := newWriter(d.c, d.em, d.lock)
	if err := writer.apply(ctx, ctx, p.changes); err != nil { // of the namespace, which stays
		return err
	}
	_ = writer.delete(ctx, p.changes) // every error is in its change
	waits, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = d.awaitUnits(waits, w, p)
	if err == nil && !d.req.Claims {
		claims = writer.dropUnbound(ctx, claims)
	}
	if !d.req.Claims {
		tellKept(d.em, claims)
	}
	tellStrangers(d.em, ofUnits(d.lost.strangers, d.units))
	return errors.Join(err, leftError(d.c.owner.App, ofUnits(d.lost.unsure, d.units)))
}

// awaitUnits waits until what was deleted of the units is gone, and notes how each
// of them ended.
func (d *deleter) awaitUnits(ctx context.Context, w *watcher, p *plan) error {
	errs := make([]error, len(d.units))
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	for i, name := range d.units {
		g.Go(func() error {
			errs[i] = d.c.awaitGone(ctx, w, name, p.of(name))
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	for i, name := range d.units {
		u := UnitResult{Name: name, Outcome: Removed}
		if was := d.snap.Units[name]; was != nil {
			u.Previous = was.Release
		}
		if errs[i] != nil {
			u.Outcome = Failed
		}
		for _, ch := range p.of(name) {
			u.Objects = append(u.Objects, ch.result())
		}
		d.result.Units = append(d.result.Units, u)
	}
	return errors.Join(errs...)
}

func (d *deleter) release(ctx context.Context) {
	ctx, cancel := hurry(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := d.lock.release(ctx); err != nil {
		d.em.emit(Event{Kind: EventWarning, Message: lockKept, Err: err})
	}
}

// forget removes the units from the state, and the state with its last unit.
func (d *deleter) forget(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s := store{d.c}
	listed, err := s.records(ctx)
	if err != nil {
		return err
	}
	var snap *snapshot
	err = repeat(ctx, func(again bool) (err error) {
		if again {
			// The answer to the first attempt did not arrive.
			snap, err = s.read(ctx)
			if err == nil && snap.version != "" && !slices.ContainsFunc(d.units, func(name string) bool { return snap.Units[name] != nil }) {
				return nil
			}
		}
		snap, err = d.lock.swap(ctx, d.em, d.snap, d.snap, func(ix *index) error {
			for _, name := range d.units {
				delete(ix.Units, name)
			}
			d.lock.unlock(ix) // what another project took over meanwhile stays
			maps.DeleteFunc(ix.Expires, func(source string, _ time.Time) bool { return !ix.hasAny(source) })
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	if len(snap.Units) > 0 {
		return s.sweep(ctx, listed, &snap.index)
	}
	gone, err := s.erase(ctx, snap)
	d.lock.drop(ctx)
	if err != nil || !gone {
		return err
	}
	return d.leave(ctx, d.lock.others)
}

// erase deletes all state. It reports false, and leaves all, when the index was
// changed meanwhile: somebody deploys again.
func (s store) erase(ctx context.Context, snap *snapshot) (bool, error) {
	secrets := s.c.core.Secrets(s.c.owner.Namespace)
	listed, err := s.records(ctx)
	if err != nil {
		return false, err
	}
	err = repeat(ctx, func(bool) error {
		return secrets.Delete(ctx, s.indexName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &snap.version}})
	})
	if apierrors.IsConflict(err) {
		return false, nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, s.c.typed(err, s.ref(s.indexName()), nil)
	}
	return true, s.sweep(ctx, listed, &index{})
}
