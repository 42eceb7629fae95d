package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// Call is a service that a unit talks to and that the request does not have: one
// of another app, or of this one when another project deploys it. Whether it is
// there is looked up before the first write.
type Call struct {
	Name                    string // as the unit calls it
	App, Namespace, Service string
	Port                    int32 // of its Service
}

// CallError says that what a unit calls is not there.
type CallError struct {
	Unit  string // the caller
	Call  Call
	Field string // of the call: "app", "namespace", "service" or "port"
	Why   string // what is wrong with it
	Fix   string // what to write or do instead
}

func (e *CallError) Error() string {
	return fmt.Sprintf("%s calls %s of app %s: %s", e.Unit, e.Call.Service, e.Call.App, e.Why)
}

// Hint tells what to write or do instead.
func (e *CallError) Hint() string { return e.Fix }

// CallsError are all calls of a request that lead nowhere. Nothing was changed.
type CallsError struct{ Calls []*CallError }

func (e *CallsError) Error() string {
	lines := make([]string, len(e.Calls))
	for i, c := range e.Calls {
		lines[i] = c.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap gives each.
func (e *CallsError) Unwrap() []error {
	out := make([]error, len(e.Calls))
	for i, c := range e.Calls {
		out[i] = c
	}
	return out
}

// checkCalls returns a CallsError when units call what is not there. What is
// there and not well is warned of, as is what may not be looked at. A unit is
// looked at once in a deploy.
func (m *mover) checkCalls(ctx context.Context, units []string) error {
	var callers []target
	for _, t := range m.targets {
		if len(t.calls) > 0 && slices.Contains(units, t.unit) && !m.called[t.unit] {
			callers = append(callers, t)
		}
	}
	if len(callers) == 0 {
		return nil
	}
	found, warned, err := m.c.judgeCalls(ctx, callers)
	if err != nil {
		return err
	}
	if m.missingCalls {
		for _, e := range found {
			warned = append(warned, Event{Kind: EventWarning, Unit: e.Unit, Message: e.Why, Err: e})
		}
		found = nil
	}
	for _, ev := range warned {
		m.em.emit(ev)
	}
	if len(found) > 0 {
		return &CallsError{Calls: found}
	}
	if m.called == nil {
		m.called = map[string]bool{}
	}
	for _, t := range callers {
		m.called[t.unit] = true
	}
	return nil
}

// judgeCalls asks about every call at once, and about each callee once.
func (c *Client) judgeCalls(ctx context.Context, callers []target) (found []*CallError, warned []Event, err error) {
	type place struct{ app, namespace string }
	apps := map[place]*otherApp{}
	callees := map[Call]*callee{}
	for _, t := range callers {
		for _, call := range t.calls {
			at := place{call.App, call.Namespace}
			if apps[at] == nil {
				apps[at] = c.otherApp(call.App, call.Namespace)
			}
			call.Name = ""
			callees[call] = &callee{of: apps[at], call: call}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, a := range apps {
		g.Go(func() error { return a.read(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, callee := range callees {
		g.Go(func() error { return callee.look(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	own := c.namespaceLabels(ctx)
	for _, t := range callers {
		for _, call := range t.calls {
			key := call
			key.Name = ""
			callee := callees[key]
			if e := callee.wrong(); e != nil {
				found = append(found, &CallError{Unit: t.unit, Call: call, Field: e.Field, Why: e.Why, Fix: e.Fix})
				continue
			}
			doubts := slices.Clone(callee.doubts)
			if call.Namespace != c.owner.Namespace || call.App != c.owner.App {
				doubts = append(doubts, callee.shut(podLabels(t), own)...)
			}
			for _, d := range doubts {
				e := &CallError{Unit: t.unit, Call: call, Why: d.why, Fix: d.fix}
				warned = append(warned, Event{Kind: EventWarning, Unit: t.unit, Message: strings.TrimPrefix(e.Error(), t.unit+" "), Err: e})
			}
		}
	}
	return found, warned, nil
}

// doubt is what may be wrong with a callee that is there.
type doubt struct{ why, fix string }

// wrong says what of the call leads nowhere; nil when it leads somewhere, or when
// that could not be seen.
func (c *callee) wrong() *CallError {
	switch {
	case c.of.index != nil && len(c.of.services()) == 0 || c.of.absent:
		return c.noApp()
	case c.of.index != nil && !slices.Contains(c.of.services(), c.call.Service):
		e := &CallError{Field: "service", Why: "it has no such service", Fix: "its services are " + strings.Join(c.of.services(), ", ")}
		if near := nearest.Name(c.call.Service, c.of.services()); near != "" {
			e.Fix = fmt.Sprintf("did you mean %q? %s", near, e.Fix)
		}
		return e
	case c.noService:
		return &CallError{Field: "service", Why: fmt.Sprintf("there is no Service %s in namespace %s", c.call.Service, c.call.Namespace), Fix: "give it ports where it is deployed"}
	case c.service == nil:
		return nil
	}
	var ports []string
	for _, p := range c.service.Spec.Ports {
		if p.Port == c.call.Port {
			return nil
		}
		ports = append(ports, strings.TrimPrefix(fmt.Sprintf("%s %d", p.Name, p.Port), " "))
	}
	e := &CallError{Field: "port", Why: fmt.Sprintf("it has no port %d", c.call.Port), Fix: "its ports are " + strings.Join(ports, ", ")}
	if len(ports) == 1 {
		e.Fix = "its port is " + ports[0]
	}
	return e
}

// noApp says where the app is instead, as far as that may be seen.
func (c *callee) noApp() *CallError {
	e := &CallError{Field: "app", Why: fmt.Sprintf("it is not deployed in namespace %s", c.call.Namespace)}
	if c.call.App == c.of.from.App && c.call.Namespace == c.of.from.Namespace {
		e.Field = "service" // the app is the caller's own
	}
	var elsewhere, here []string
	for _, at := range c.of.others {
		switch {
		case at.App == c.call.App:
			elsewhere = append(elsewhere, at.Namespace)
		case at.Namespace == c.call.Namespace:
			here = append(here, at.App)
		}
	}
	slices.Sort(elsewhere)
	near := nearest.Name(c.call.App, here)
	switch {
	case e.Field == "service":
		e.Fix = "deploy the project that has it first; if each calls the other, begin with --missing-calls"
	case len(elsewhere) > 0:
		e.Field = "namespace"
		e.Fix = fmt.Sprintf("it is deployed in namespace %s: write namespace: %q", strings.Join(elsewhere, ", "), elsewhere[0])
	case near != "":
		e.Fix = fmt.Sprintf("did you mean %q? That app is there", near)
	default:
		e.Fix = fmt.Sprintf("deploy it first; if shipit does not deploy it, write host: \"%s.%s.svc\" instead of app; if each calls the other, begin with --missing-calls", c.call.Service, c.call.Namespace)
	}
	return e
}

// unseen is a doubt for what may not be looked at. Another error ends the deploy.
func unseen(what string, err error) (doubt, error) {
	var forbidden *ForbiddenError
	if errors.As(err, &forbidden) {
		return doubt{why: "not checked " + what + ": " + err.Error()}, nil
	}
	return doubt{}, err
}
