package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// The labels by which an app's objects are found. What decides whether an object
// is ours is its field manager.
const (
	labelName      = "app.kubernetes.io/name"
	labelPartOf    = "app.kubernetes.io/part-of"
	labelManagedBy = "app.kubernetes.io/managed-by"

	managedByShipit = "shipit"
)

// inFlight bounds the requests that one call has under way.
const inFlight = 48

// change is what is to be done to one object.
type change struct {
	unit      string
	ref       Ref
	action    Action
	desired   *unstructured.Unstructured // nil of a delete
	live      *unstructured.Unstructured // nil of a create
	maybe     []fieldpath.Path           // what compare found: the dry run decides
	fields    []string                   // what changes
	scaled    bool                       // its replicas belong to an autoscaler
	hand      hand
	undefined bool                       // its kind is one that this deploy defines
	redefined bool                       // the definition of its kind changes in this deploy
	force     bool                       // fields of other managers are taken
	stopped   bool                       // its unit is as a deploy left it that was stopped, or failed
	shared    bool                       // it is the app's namespace, which others have too
	lost      bool                       // its managedFields were lost: all that is wanted is taken
	was       *unstructured.Unstructured // of a lost one: as it was recorded, nil when it was not
	binds     bool                       // it is a binding of a Role that this deploy has
	hook      string                     // the phase of a hook
	intruders []otherField               // what other managers put beside what is applied, or in its place
	take      []fieldpath.Path           // what is taken from other managers before it is applied
	heeded    map[string]bool            // fields whose difference from what is asked is not the server's whim
	applied   *unstructured.Unstructured // the object as the server answered
	done      bool
	err       error
}

func (ch *change) result() ObjectResult {
	return ObjectResult{Object: ch.ref, Action: ch.action, Done: ch.done, Fields: ch.fields, Err: ch.err}
}

// target is where one unit is to go. No objects removes it.
type target struct {
	unit      string
	objects   []*unstructured.Unstructured
	keep      []Ref                      // objects that must be there, of which no values are known
	namespace *unstructured.Unstructured // what it says of the app's namespace; nil is nothing
	needs     []string                   // units that must be healthy first
	calls     []Call                     // services that must be there
	deadline  time.Duration              // to become healthy; 0 is computed from the probes
	// retained are objects of other releases that the history may return to: not
	// wanted, and not deleted either.
	retained []Ref
	claims   bool               // delete even claims
	begins   bool               // its history begins, and it was there before: nothing is deleted
	removed  bool               // it goes: what is being deleted already is waited for, too
	ran      map[objectKey]bool // hooks that need not run again
	once     map[string]bool    // Jobs that have run and removed themselves, by onceKey
	past     bool               // a recorded release: returning to it runs no hooks
	left     []Ref              // objects that stay as they are
	part     bool               // only some objects of the unit: the others stay as they are
}

// plan is the way there from what is live, in the order of targets.
type plan struct {
	changes []*change
	wants   map[objectKey]string // the unit that each object is of, by the targets
}

func (p *plan) of(unit string) []*change {
	var out []*change
	for _, ch := range p.changes {
		if ch.unit == unit {
			out = append(out, ch)
		}
	}
	return out
}

// resource returns the client of an object's kind, in its namespace if it has
// one.
func (c *Client) resource(ref Ref) (dynamic.ResourceInterface, error) {
	m, err := c.kinds.mapping(ref.GVK())
	if err != nil {
		if meta.IsNoMatchError(err) {
			e := &InvalidError{Object: ref, Err: fmt.Errorf("the cluster has no kind %s in %s", ref.Kind, ref.APIVersion)}
			if other := c.kinds.served(kindRef{ref.APIVersion, ref.Kind}); other.APIVersion != ref.APIVersion {
				e.Err = fmt.Errorf("the cluster has no kind %s in %s: write it in %s", ref.Kind, ref.APIVersion, other.APIVersion)
			}
			return nil, e
		}
		return nil, c.typed(err, ref, nil)
	}
	r := c.dyn.Resource(m.Resource)
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		return r.Namespace(c.owner.Namespace), nil
	}
	return r, nil
}

func (c *Client) selector() string {
	return labels.SelectorFromSet(labels.Set{labelPartOf: c.owner.App, labelManagedBy: managedByShipit}).String()
}

// live lists what carries the app's labels, of every kind, in parallel: one
// request per kind, in a version that the server has.
func (c *Client) live(ctx context.Context, kinds []kindRef) (map[objectKey]*unstructured.Unstructured, error) {
	kinds = slices.Clone(kinds)
	lists := make([][]unstructured.Unstructured, len(kinds))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, k := range kinds {
		g.Go(func() error {
			if k == namespaceKind {
				var err error
				lists[i], err = c.liveNamespaces(ctx)
				return err
			}
			k = c.kinds.served(k)
			kinds[i] = k
			ref := Ref{APIVersion: k.APIVersion, Kind: k.Kind, Namespace: c.owner.Namespace}
			if c.kinds.unknown(ref.GVK()) {
				return nil // it may be about to be defined; an object of it is refused otherwise
			}
			r, err := c.resource(ref)
			if err != nil {
				return err
			}
			list, err := r.List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
			if err != nil {
				return c.typed(err, ref, nil)
			}
			lists[i] = list.Items
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[objectKey]*unstructured.Unstructured{}
	for i, items := range lists {
		if kinds[i] == secretKind {
			c.deployed.Store(true)
		}
		for j := range items {
			o := &items[j]
			o.SetAPIVersion(kinds[i].APIVersion)
			o.SetKind(kinds[i].Kind)
			out[keyOfObject(o)] = o
			c.knowSecrets(o)
		}
	}
	return out, nil
}

// plan compares targets with what is live. What is taken belongs to units that are no
// targets, and is not deleted.
func (c *Client) plan(targets []target, live map[objectKey]*unstructured.Unstructured, taken map[objectKey]string) *plan {
	p := &plan{wants: wantedBy(targets)}
	for key, owner := range taken {
		if p.wants[key] == "" && !slices.Contains(unitsOf(targets), owner) {
			p.wants[key] = owner
		}
	}
	definitions, roles := defined(targets), rolesOf(targets)
	scaled := c.scaledBy(targets, live)
	for _, t := range targets {
		if ch := c.planNamespace(t, live); ch != nil && !t.part {
			p.changes = append(p.changes, ch)
		}
		for _, o := range t.objects {
			now := live[keyOfObject(o)]
			if hookPhase(o) != "" {
				if ch := planHook(t, o, now); ch != nil {
					p.changes = append(p.changes, ch)
				}
				continue
			}
			if t.over(o, now) {
				continue
			}
			ch := &change{unit: t.unit, ref: refOf(o), desired: o, live: now}
			ch.scaled = isWorkload(kindRef{ch.ref.APIVersion, ch.ref.Kind}) && scaled[kindName{ch.ref.Kind, ch.ref.Name}]
			_, soon := definitions[ch.ref.GVK().GroupKind()]
			ch.undefined = soon && c.kinds.undefined(ch.ref.GVK())
			ch.binds = bindsOne(o, roles)
			c.decide(ch)
			p.changes = append(p.changes, ch)
		}
		for _, ref := range t.keep {
			ch := &change{unit: t.unit, ref: ref, action: ActionUnchanged, live: live[keyOf(ref)]}
			if ch.live == nil {
				ch.err = &GoneError{Object: ref}
			}
			p.changes = append(p.changes, ch)
		}
		if !t.part {
			p.changes = append(p.changes, c.unwanted(t, p.wants, live)...)
		}
	}
	return p
}

// decide compares one object with what is live.
func (c *Client) decide(ch *change) {
	if ch.live == nil {
		ch.action = ActionCreate
		return
	}
	ch.action = ActionUpdate
	owned, ok := ownedFields(ch.live, c.owner.Manager())
	switch {
	case ok:
		ch.lost = owned.Empty()
	case ch.lost, ch.shared: // the one was read again
		owned = &fieldpath.Set{}
	default:
		return // not ours: refine refuses it
	}
	if ch.hand = c.handOf(ch, owned); ch.scaled {
		ch.desired = withoutReplicas(ch.desired)
	}
	ch.maybe = compare(ch.desired, ch.live, owned)
	ch.take = husks(removedPaths(ch.maybe, ch.desired, ch.live), ch.live, c.owner.Manager())
	ch.intruders = intruders(ch.desired, ch.live, c.owner.Manager())
	switch {
	case ch.lost:
		ch.intruders = nil // what others have is taken
	case ch.rewritten(c.owner.Manager()):
		ch.maybe, ch.take, ch.intruders = append(ch.maybe, versionPath), nil, nil
	}
	switch {
	case ch.live.GetDeletionTimestamp() != nil:
	case changesAddress(ch.desired, ch.live):
		ch.action = ActionReplace
	case len(ch.maybe)+len(ch.intruders) == 0 && ch.hand == handStays:
		ch.action = ActionUnchanged
	}
}

// refine asks the server about every object that may change: objects that are
// there and not ours are refused, a dry run of the rest finds conflicts, invalid
// values, and updates that change nothing, and the preflight what would keep the
// pods from running. It writes nothing. All refusals are collected; the error is
// the first, in the plan's order.
func (c *Client) refine(ctx context.Context, p *plan) error {
	changes := slices.DeleteFunc(slices.Clone(p.changes), func(ch *change) bool {
		return !ch.action.writes()
	})
	if len(changes) > 0 {
		if err := c.ask(ctx, p, changes); err != nil {
			return err
		}
	}
	for _, ch := range p.changes {
		if ch.err != nil {
			return ch.err
		}
	}
	return nil
}

// ask asks everything at once.
func (c *Client) ask(ctx context.Context, p *plan, changes []*change) error {
	pre := c.newPreflight(p)
	c.examine(ctx, pre, changes)
	for _, ch := range p.changes {
		if ch.err != nil && !isDenied(ch.err) {
			return ch.err
		}
	}
	pre.deny(p.changes)
	pre.denyPaused(changes)
	em, _ := ctx.Value(emitterKey{}).(*emitter)
	return pre.end(em)
}

// examine asks about every change, and what else it may fail for. The answers are
// in the changes and in pre.
func (c *Client) examine(ctx context.Context, pre *preflight, changes []*change) {
	definitions, rest := definitionsFirst(changes)
	refine := func(changes []*change) *errgroup.Group {
		g := &errgroup.Group{}
		g.SetLimit(inFlight)
		for _, ch := range changes {
			g.Go(func() error {
				ch.err = c.refineOne(ctx, ch)
				return nil
			})
		}
		return g
	}
	_ = refine(definitions).Wait()
	redefine(definitions, rest)
	g := refine(rest)
	pre.start(ctx, g)
	_ = g.Wait()
}

func (c *Client) refineOne(ctx context.Context, ch *change) error {
	if ch.undefined {
		return c.oursAlready(ctx, ch) // nothing else can be asked about it yet
	}
	r, err := c.resource(ch.ref)
	if err != nil {
		return err
	}
	if ch.redefined {
		ctx = context.WithValue(ctx, askKey{}, nil) // that its fields are not known yet is no reason to ask again
	}
	if ch.live == nil {
		if err := c.tryNew(ctx, r, ch); err != nil || ch.live == nil {
			return err
		}
	} else if ch.live.GetAPIVersion() != ch.desired.GetAPIVersion() {
		if ch.live, err = r.Get(ctx, ch.ref.Name, metav1.GetOptions{}); err != nil {
			return c.typed(err, ch.ref, nil)
		}
		c.decide(ch)
	}
	if err := c.ours(ch.live); err != nil && !ch.shared && !ch.lost {
		return err
	}
	if ch.live.GetDeletionTimestamp() != nil {
		return c.deleting(ctx, ch.ref, ch.live, nil)
	}
	if ch.action == ActionUnchanged {
		return nil
	}
	if ch.action == ActionReplace {
		return c.refineReplaced(ctx, r, ch)
	}
	dry, err := c.dryRun(ctx, r, ch)
	if ch.redefined && isOfOldDefinition(err) {
		return nil // it is asked again when the definition is there
	}
	if found := c.collisions(ctx, r, ch, err); len(found) > 0 {
		ch.intruders, err = found, nil
	}
	if err == nil && len(ch.intruders) > 0 {
		return ch.intruded()
	}
	if err != nil {
		err = ch.named(c.typed(err, ch.ref, ch.live))
		var invalid *InvalidError
		if ch.stopped && errors.As(err, &invalid) && invalid.Empty {
			ch.action = ActionReplace
			return c.refineReplaced(ctx, r, ch)
		}
		return err
	}
	if err := c.unheeded(ctx, r, ch, ch.asked(), dry); err != nil {
		return err
	}
	if ch.hand == handStays && sameObject(dry, ch.live, c.owner.Manager()) {
		ch.action = ActionUnchanged
		return nil
	}
	ch.fields = changedFields(ch.maybe, dry, ch.live)
	if ch.rewritten(c.owner.Manager()) {
		ch.fields = append(ch.fields, versionPath.String())
		slices.Sort(ch.fields)
	}
	if ch.hand != handStays && !slices.Contains(ch.fields, replicasField) {
		ch.fields = append(ch.fields, replicasField)
		slices.Sort(ch.fields)
	}
	return nil
}
