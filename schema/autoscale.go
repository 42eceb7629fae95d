package schema

import (
	"cmp"
	"fmt"
	"slices"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/api/resource"
)

// autoscale decodes how the cluster chooses the size of a service.
func (d *decoder) autoscale(n *node, s *Service) *Autoscale {
	if !n.is(cue.StructKind) {
		return nil
	}
	a := &Autoscale{
		Max:      int32(n.get("max").int64()),
		CPU:      d.scaleTarget(n.get("cpu")),
		Memory:   d.scaleTarget(n.get("memory")),
		Vertical: d.vertical(n.get("vertical")),
	}
	for _, f := range sorted(n.get("metrics")) {
		if f.is(cue.StructKind) {
			a.Metrics = append(a.Metrics, d.metric(f))
		}
	}
	a.Behavior = Behavior{d.scalingRules(n.get("behavior").get("scaleUp")), d.scalingRules(n.get("behavior").get("scaleDown"))}
	if a.Max > 0 {
		a.Min = int32(cmp.Or(n.get("min").int64(), 1))
		if s.Availability == ActiveActive && n.missing("min") {
			a.Min = min(2, a.Max)
		}
	}
	d.horizontal(n, a)
	return a
}

// horizontal checks what makes a HorizontalPodAutoscaler.
func (d *decoder) horizontal(n *node, a *Autoscale) {
	looks := slices.DeleteFunc([]*node{n.get("cpu"), n.get("memory"), n.get("metrics")}, func(f *node) bool { return f == nil })
	switch {
	case n.missing("max") && n.missing("vertical"):
		d.wrong(n, rule.MissingField, n.path+" does not say up to how many pods it scales", "", "write max: 10")
	case n.missing("max") && (len(looks) > 0 || n.get("min") != nil || n.get("behavior") != nil):
		at := slices.Concat(looks, []*node{n.get("min"), n.get("behavior")})
		at = slices.DeleteFunc(at, func(f *node) bool { return f == nil })
		d.wrong(at[0], rule.MissingField, fmt.Sprintf("%s is of a count that is scaled, but %s.max is not there", at[0].path, n.path), "vertical alone changes no count", "write max: 10")
	case a.Max > 0 && len(looks) == 0 && n.missing("cpu") && n.missing("memory") && n.missing("metrics"):
		d.wrong(n, rule.MissingField, n.path+" does not say what it looks at", "", "write cpu: 80 for 80 percent of what the pods ask for, memory: …, or metrics: …")
	case a.Max > 0 && a.Min > a.Max:
		d.against(n.get("min"), n.get("max"), rule.ScaleRange, fmt.Sprintf("%s.min is %d, more than its max of %d", n.path, a.Min, a.Max), "", "raise max, or lower min")
	}
	if v := a.Vertical; v != nil && v.Mode != "Off" && (a.CPU != nil || a.Memory != nil) {
		at := n.get("cpu")
		if a.CPU == nil {
			at = n.get("memory")
		}
		d.against(n.get("vertical"), at, rule.ScaleFight, fmt.Sprintf("%s and %s change each other's ground", n.get("vertical").path, at.path),
			"one makes pods larger, the other counts them by their size", `write vertical: mode: "Off" for a recommendation only, or scale by metrics`)
	}
}

func (d *decoder) scaleTarget(n *node) *ScaleTarget {
	switch {
	case n.is(cue.IntKind):
		return &ScaleTarget{Utilization: int32(n.int64())}
	case n.is(cue.StringKind):
		if n.name == "memory" {
			d.bytes(n)
		} else {
			d.amount(n)
		}
		return &ScaleTarget{AverageValue: n.text}
	}
	return nil
}

// amount decodes a quantity of anything.
func (d *decoder) amount(n *node) string {
	if !n.is(cue.StringKind | cue.NumberKind) {
		return ""
	}
	if _, err := resource.ParseQuantity(n.text); err != nil {
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be a quantity, not %q", n.path, n.text), "", `write one such as 100 or "500m"`)
	}
	return n.text
}

func (d *decoder) metric(n *node) Metric {
	m := Metric{Name: n.name, Metric: cmp.Or(n.get("name").str(), n.name)}
	for _, f := range sorted(n.get("selector")) {
		set(&m.Selector, f.name, f.str())
	}
	d.oneOf(n, []string{"pods", "object", "external"}, "is more than one kind of metric", "a metric is of one thing",
		"does not say whose metric it is", "write one of pods: averageValue: …, object: {…}, external: value: …")
	of := n.get("pods")
	switch {
	case of != nil:
		m.Kind = "Pods"
	case n.get("object") != nil:
		m.Kind, of = "Object", n.get("object")
		m.Object = ObjectRef{cmp.Or(of.get("apiVersion").str(), "v1"), of.get("kind").str(), of.get("name").str()}
	default:
		m.Kind, of = "External", n.get("external")
	}
	m.Value, m.AverageValue = d.amount(of.get("value")), d.amount(of.get("averageValue"))
	if of.is(cue.StructKind) && m.Kind != "Pods" {
		d.oneOf(of, []string{"value", "averageValue"}, "has more than one target", "it aims at one", "does not say what to aim at", "write value: 100 in all, or averageValue: 100 for each pod")
	}
	return m
}

func (d *decoder) scalingRules(n *node) *ScalingRules {
	if !n.is(cue.StructKind) {
		return nil
	}
	r := &ScalingRules{
		StabilizationWindowSeconds: count(n.get("stabilizationWindowSeconds")),
		SelectPolicy:               n.get("selectPolicy").str(),
		Tolerance:                  d.amount(n.get("tolerance")),
	}
	for _, f := range sorted(n.get("policies")) {
		r.Policies = append(r.Policies, ScalingPolicy{
			Name: f.name, Type: f.get("type").str(), Value: int32(f.get("value").int64()), PeriodSeconds: int32(f.get("periodSeconds").int64()),
		})
	}
	return r
}

func (d *decoder) vertical(n *node) *Vertical {
	if !n.is(cue.StructKind) {
		return nil
	}
	v := &Vertical{Mode: cmp.Or(n.get("mode").str(), "Recreate")}
	for _, f := range sorted(n.get("min")) {
		d.quantity(f, &v.Min)
	}
	for _, f := range sorted(n.get("max")) {
		d.quantity(f, &v.Max)
		if low, ok := v.Min[f.name]; ok && v.Max[f.name] != "" {
			a, _ := resource.ParseQuantity(low)
			b, _ := resource.ParseQuantity(v.Max[f.name])
			if a.Cmp(b) > 0 {
				d.against(n.get("min").get(f.name), f, rule.ScaleRange, fmt.Sprintf("%s is %s, more than the max of %s", n.get("min").get(f.name).path, low, f.text), "", "raise max, or lower min")
			}
		}
	}
	return v
}

// shares warns of percent of what a container does not ask for.
func (d *decoder) shares(a *App, m member) {
	scale := m.s.Autoscale
	if scale == nil || scale.Max == 0 {
		return
	}
	for _, t := range []struct {
		name    string
		target  *ScaleTarget
		example string
	}{{"cpu", scale.CPU, "250m"}, {"memory", scale.Memory, "128Mi"}} {
		if t.target == nil || t.target.Utilization == 0 {
			continue
		}
		of := d.unasked(a, m, t.name)
		if of == nil {
			continue
		}
		at := m.n.get("autoscale").get(t.name)
		d.against(at, of, rule.ScaleUnasked, fmt.Sprintf("%s is percent of what the pods ask for, but %s does not ask for %s", at.path, of.path, t.name),
			"of a container that asks for nothing there is no percentage, and nothing is scaled",
			fmt.Sprintf("write resources: %s: %q in %s, or here what each pod should use, such as %q", t.name, t.example, of.path, t.example))
	}
}

// unasked is a container of the service that does not ask for a resource; nil when
// all do, or it is not known.
func (d *decoder) unasked(a *App, m member, name string) *node {
	asks := func(r Resources) bool {
		r = a.Limits.effective(r)
		return r.Requests[name] != "" || r.Limits[name] != ""
	}
	if !settled(m.n, "resources") {
		return nil
	}
	if !asks(m.s.Resources) {
		return m.n
	}
	for _, c := range m.s.Sidecars {
		if n := m.n.get("sidecars").get(c.Name); n != nil && settled(n, "resources") && !asks(c.Resources) {
			return n
		}
	}
	return nil
}
