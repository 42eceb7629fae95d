package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Finding is something that a deploy would be refused for or warned of.
type Finding struct {
	Unit    string // "" when it is of no single one
	Object  Ref    // zero when it is of no single object
	Warning bool   // a deploy goes on; or it could not be looked at
	Message string
	// Err is one of this package's errors, nil of what the API server warns of and
	// of a Diagnosis.
	Err       error
	Diagnosis *Diagnosis // of what would keep pods from running
}

// Check does what Deploy does before its first write, with no lock and no write:
// it looks at what is there, asks the API server for a dry run of what would
// change, and for one of a Pod of each template that would, whether what is
// referred to and called is there, what quotas leave, and what the caller may do.
// All that is found is returned. What may not be looked at is a warning, as is a
// namespace that is not there. The error is why nothing could be looked at.
//
// Secrets may have no data: their values are not looked into.
func (c *Client) Check(ctx context.Context, units []Unit) ([]Finding, error) {
	type answer struct {
		found []Finding
		err   error
	}
	var said []Finding
	sink := func(ev Event) {
		var call *CallError
		switch {
		case ev.Kind != EventWarning:
		case errors.As(ev.Err, &call):
			said = append(said, Finding{Unit: ev.Unit, Warning: true, Message: call.Error(), Err: call})
		default:
			said = append(said, Finding{Unit: ev.Unit, Warning: true, Diagnosis: ev.Diagnosis, Message: strings.TrimPrefix(ev.Message, ev.Unit+": "), Err: ev.Err})
		}
	}
	a := withEvents(patient(quiet(ctx)), c, sink, func(ctx context.Context, em *emitter) answer {
		k := &checker{c: c, em: em, m: &mover{c: c, em: em}}
		err := k.run(ctx, units)
		return answer{k.found, err}
	})
	found := append(a.found, said...)
	for i := range found {
		f := &found[i]
		f.Message, f.Err, f.Diagnosis = c.secrets.Text(f.Message), c.masked(f.Err), c.maskedDiagnosis(f.Diagnosis)
	}
	return found, c.masked(a.err)
}

type checker struct {
	c     *Client
	em    *emitter
	m     *mover // never run: it looks as a deploy does
	found []Finding
}

func (k *checker) run(ctx context.Context, units []Unit) error {
	targets, err := k.c.accept(units)
	if err == nil {
		err = circle(targets)
	}
	if err != nil {
		k.found = append(k.found, Finding{Message: err.Error(), Err: err})
		return nil
	}
	k.m.targets = targets
	exists, err := k.c.namespaceExists(ctx)
	var terminating *TerminatingError
	if errors.As(err, &terminating) {
		return k.note("", Ref{}, err)
	}
	if err != nil {
		return err
	}
	if !exists {
		return k.withoutNamespace(ctx)
	}
	if k.m.snap, err = (store{k.c}).read(ctx); err != nil {
		if err := k.note("", Ref{}, err); err != nil {
			return err
		}
		k.m.snap = &snapshot{index: index{Units: map[string]*unitState{}}}
	}
	if err := k.m.ourSource(); err != nil {
		k.found = append(k.found, Finding{Message: err.Error(), Err: err})
	}
	live, err := k.live(ctx, kindsOf(targets, k.m.snap.Kinds))
	if err != nil {
		return err
	}
	if _, err := k.c.recall(ctx, &k.m.snap.index, live); err != nil {
		return err
	}
	for i := range targets {
		t := &targets[i]
		u := k.m.snap.Units[t.unit]
		t.history(u)
	}
	p := k.c.plan(targets, live, nil)
	changes := slices.DeleteFunc(slices.Clone(p.changes), func(ch *change) bool {
		return !ch.action.writes()
	})
	pre := k.c.newPreflight(p)
	pre.unfilled = true
	k.c.examine(ctx, pre, changes)
	if err := k.tell(ctx, changes, pre); err != nil {
		return err
	}
	if err := k.owners(ctx, p); err != nil {
		return err
	}
	return k.rest(ctx)
}

// live is what is there, kind by kind: who may not list one kind may another.
func (k *checker) live(ctx context.Context, kinds []kindRef) (map[objectKey]*unstructured.Unstructured, error) {
	out := map[objectKey]*unstructured.Unstructured{}
	found := make([]map[objectKey]*unstructured.Unstructured, len(kinds))
	errs := make([]error, len(kinds))
	g := &errgroup.Group{}
	g.SetLimit(inFlight)
	for i, kind := range kinds {
		g.Go(func() error {
			found[i], errs[i] = k.c.live(ctx, []kindRef{kind})
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	for i := range kinds {
		if errs[i] != nil {
			if err := k.note("", Ref{}, errs[i]); err != nil {
				return nil, err
			}
		}
		maps.Copy(out, found[i])
	}
	return out, nil
}

// tell makes findings of the answers.
func (k *checker) tell(ctx context.Context, changes []*change, pre *preflight) error {
	for _, ch := range changes {
		switch {
		case isDenied(ch.err):
		case ch.err != nil:
			if err := k.note(ch.unit, ch.ref, ch.err); err != nil {
				return err
			}
		case ch.undefined:
			k.warn(ch.unit, ch.ref, fmt.Sprintf("%s: not checked: its kind is not defined before the deploy", ch.ref))
		}
	}
	pre.deny(changes)
	pre.denyPaused(changes)
	if err := pre.conclude(k.em); err != nil {
		return err
	}
	for _, d := range pre.found {
		k.found = append(k.found, Finding{Unit: d.Unit, Object: d.Object, Message: d.Message, Diagnosis: d})
	}
	return ctx.Err()
}

// owners finds objects that belong to what is not deployed here.
func (k *checker) owners(ctx context.Context, p *plan) error {
	k.m.plan, k.m.removals = p, k.m.abandoned()
	err := k.m.owners(ctx)
	var owned *OwnedError
	if errors.As(err, &owned) {
		return k.note(owned.Unit, owned.Object, err)
	}
	if err != nil {
		return k.note("", Ref{}, err)
	}
	return nil
}

// rest is what needs no namespace.
func (k *checker) rest(ctx context.Context) error {
	var calls *CallsError
	if err := k.m.checkCalls(ctx, unitsOf(k.m.targets)); errors.As(err, &calls) {
		for _, e := range calls.Calls {
			k.found = append(k.found, Finding{Unit: e.Unit, Message: e.Error(), Err: e})
		}
	} else if err != nil {
		return err
	}
	lacks, err := k.c.lacks(ctx, k.m.targets)
	if err != nil {
		return err
	}
	for _, e := range lacks {
		k.found = append(k.found, Finding{Warning: true, Message: "a deploy by the same user would be refused: " + e.Error(), Err: e})
	}
	return nil
}

// withoutNamespace checks what can be before there is one: that it may be made,
// that the cluster has the kinds, and what lives outside of namespaces.
func (k *checker) withoutNamespace(ctx context.Context) error {
	k.m.snap = &snapshot{index: index{Units: map[string]*unitState{}}}
	ns := k.c.owner.Namespace
	k.warn("", k.c.namespaceRef(), fmt.Sprintf("namespace %s does not exist yet, so not checked what needs it: dry runs, pod security, quotas, and what pods refer to; a deploy makes it and checks then", ns))
	_, err := k.c.core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}},
		metav1.CreateOptions{FieldManager: k.c.owner.Manager(), DryRun: []string{metav1.DryRunAll}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		if err := k.note("", k.c.namespaceRef(), k.c.typed(err, k.c.namespaceRef(), nil)); err != nil {
			return err
		}
	}
	definitions, roles := defined(k.m.targets), rolesOf(k.m.targets)
	for _, t := range k.m.targets {
		for _, o := range t.objects {
			ch := &change{unit: t.unit, ref: refOf(o), desired: o, action: ActionCreate, binds: bindsOne(o, roles)}
			_, ch.undefined = definitions[ch.ref.GVK().GroupKind()]
			if !k.c.kinds.unknown(ch.ref.GVK()) {
				m, err := k.c.kinds.mapping(ch.ref.GVK())
				if err == nil && m.Scope.Name() == meta.RESTScopeNameNamespace {
					continue
				}
			}
			if err := k.c.refineOne(ctx, ch); err != nil {
				if err := k.note(t.unit, ch.ref, err); err != nil {
					return err
				}
			}
		}
	}
	return k.rest(ctx)
}

// note makes a finding of an error. What may not be looked at is said once. Errors
// of the connection are returned.
func (k *checker) note(unit string, ref Ref, err error) error {
	var forbidden *ForbiddenError
	var unauthorized *UnauthorizedError
	switch {
	case errors.As(err, &forbidden):
		k.em.once(Event{Kind: EventWarning, Message: fmt.Sprintf("not checked: not allowed to %s %s in namespace %s", forbidden.Verb, forbidden.Resource, k.c.owner.Namespace), Err: err})
		return nil
	case errors.As(err, &unauthorized), isUnreachable(err), errors.Is(err, context.Canceled):
		return err
	}
	k.found = append(k.found, Finding{Unit: unit, Object: ref, Message: err.Error(), Err: err})
	return nil
}

func (k *checker) warn(unit string, ref Ref, text string) {
	k.found = append(k.found, Finding{Unit: unit, Object: ref, Warning: true, Message: text})
}
