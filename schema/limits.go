package schema

import (
	"fmt"
	"maps"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/api/resource"
)

// limits decodes the LimitRange of the namespace.
func (d *decoder) limits(n *node) *Limits {
	if !n.is(cue.StructKind) {
		return nil
	}
	l := &Limits{}
	for name, to := range map[string]*map[string]string{"default": &l.Default, "defaultRequest": &l.DefaultRequest, "min": &l.Min, "max": &l.Max} {
		for _, f := range sorted(n.get(name)) {
			d.quantity(f, to)
		}
	}
	for _, pair := range [][2]string{{"min", "defaultRequest"}, {"min", "max"}, {"defaultRequest", "default"}, {"defaultRequest", "max"}, {"default", "max"}} {
		for _, low := range sorted(n.get(pair[0])) {
			high := n.get(pair[1]).get(low.name)
			if high != nil && !low.bad && !high.bad && less(high.text, low.text) {
				d.against(low, high, rule.LimitRange, fmt.Sprintf("%s is %s, more than %s of %s", low.path, low.text, high.path, high.text), "Kubernetes refuses such limits", "")
			}
		}
	}
	return l
}

// less reports whether both are quantities and a is less than b.
func less(a, b string) bool {
	x, err1 := resource.ParseQuantity(a)
	y, err2 := resource.ParseQuantity(b)
	return err1 == nil && err2 == nil && x.Cmp(y) < 0
}

// effective gives what a container asks for and is limited to when the LimitRange
// has said what it does not say itself
// (https://kubernetes.io/docs/concepts/policy/limit-range).
func (l *Limits) effective(r Resources) Resources {
	if l == nil {
		return r
	}
	e := Resources{Requests: maps.Clone(r.Requests), Limits: maps.Clone(r.Limits)}
	fill := func(to *map[string]string, from map[string]string) {
		for name, q := range from {
			if _, ok := (*to)[name]; !ok {
				set(to, name, q)
			}
		}
	}
	fill(&e.Limits, l.Default)
	fill(&e.Limits, l.Max)
	fill(&e.Requests, l.DefaultRequest)
	fill(&e.Requests, l.Default)
	fill(&e.Requests, l.Max)
	fill(&e.Requests, l.Min)
	return e
}

// fitLimits checks every container against the LimitRange.
func (d *decoder) fitLimits(a *App, n *node) {
	if a.Limits == nil || n.bad {
		return
	}
	for _, m := range d.enabled {
		check := func(of *node, r Resources) {
			if settled(of, "resources") {
				d.fitLimit(a.Limits, n, of, r)
			}
		}
		check(m.n, m.s.Resources)
		for _, c := range m.s.Sidecars {
			check(m.n.get("sidecars").get(c.Name), c.Resources)
		}
		for _, c := range m.s.Init {
			check(m.n.get("init").get(c.Name), c.Resources)
		}
	}
}

func (d *decoder) fitLimit(l *Limits, n, of *node, r Resources) {
	e := l.effective(r)
	wrong := func(resource, limit, message, hint string) {
		at := of.get("resources").get(resource)
		if at == nil {
			at = of
		}
		d.against(at, n.get(limit).get(resource), rule.LimitRange, message, "Kubernetes would refuse its pods", hint)
	}
	for _, name := range sortedKeys(e.Limits) {
		if q := e.Limits[name]; less(l.Max[name], q) {
			wrong(name, "max", fmt.Sprintf("%s is limited to %s of %s, more than %s.max of %s", of.path, q, name, n.path, l.Max[name]), "ask for less, or raise the limit")
		}
	}
	for _, name := range sortedKeys(e.Requests) {
		q := e.Requests[name]
		switch _, own := r.Limits[name]; {
		case less(q, l.Min[name]):
			wrong(name, "min", fmt.Sprintf("%s asks for %s of %s, less than %s.min of %s", of.path, q, name, n.path, l.Min[name]), "ask for more")
		case !own && less(e.Limits[name], q):
			wrong(name, "default", fmt.Sprintf("%s asks for %s of %s, more than the limit of %s that it gets from %s", of.path, q, name, e.Limits[name], n.path),
				fmt.Sprintf("write resources: limits: %s: %q", name, q))
		}
	}
}
