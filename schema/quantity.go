package schema

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resources decodes what a container asks for and is limited to, with the
// limits that follow from what it asks for.
func (d *decoder) resources(n *node) Resources {
	if !n.is(cue.StructKind) {
		return Resources{}
	}
	var r Resources
	limits := n.get("limits")
	if limits.is(cue.StructKind) {
		for _, f := range limits.fields {
			d.quantity(f, &r.Limits)
		}
	}
	for _, f := range n.fields {
		if f.name == "limits" || !d.quantity(f, &r.Requests) {
			continue
		}
		if limit, ok := r.Limits[f.name]; ok {
			d.compare(f, limits.get(f.name), r.Requests[f.name], limit)
		} else if limitFollows(f.name) && limits.missing(f.name) {
			set(&r.Limits, f.name, r.Requests[f.name])
		}
	}
	// Kubernetes takes a limit for the request when there is none. It is said
	// here so that what is applied is what is stored.
	for name, limit := range r.Limits {
		if n.missing(name) {
			set(&r.Requests, name, limit)
		}
	}
	return r
}

// limitFollows reports whether a resource is limited to what is asked for.
func limitFollows(name string) bool {
	return name == "memory" || wholeOnly(name)
}

// wholeOnly reports whether a resource is one that Kubernetes cannot overcommit:
// huge pages and extended resources.
func wholeOnly(name string) bool {
	return strings.Contains(name, "/") || strings.HasPrefix(name, "hugepages-")
}

// quantity puts one into a map, and reports whether it is one.
func (d *decoder) quantity(n *node, into *map[string]string) bool {
	if !n.is(cue.StringKind | cue.NumberKind) {
		return false
	}
	q, err := resource.ParseQuantity(n.text)
	if err != nil {
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be a quantity, not %q", n.path, n.text), "", `write one such as "100m", "64Mi" or 2`)
		return false
	}
	const mebibyte = 1 << 20
	switch {
	case n.name == "memory" && q.CmpInt64(mebibyte) < 0:
		d.wrong(n, rule.QuantityUnit, fmt.Sprintf("%s is %s, which is less than one mebibyte", n.path, n.text),
			`memory is counted in bytes, and "m" means thousandths`, mebibytes(n.text))
	case n.name == "memory" && q.CmpInt64(manyBytes) > 0 && strings.Contains(n.path, ".resources."):
		d.wrong(n, rule.QuantityUnit, fmt.Sprintf("%s is %s, which no node has", n.path, n.text), "memory is counted in bytes", `write the unit: "512Mi", "1Gi"`)
	case n.name == "cpu" && q.CmpInt64(10_000) > 0:
		d.wrong(n, rule.QuantityUnit, fmt.Sprintf("%s is %s cores, which no node has", n.path, n.text),
			"cpu is counted in cores", `write thousandths of a core with "m": "250m"`)
	case n.name == "cpu" && q.CmpInt64(manyCores) >= 0 && wholeNumber.MatchString(n.text) && strings.Contains(n.path, ".resources."):
		d.wrong(n, rule.CoresMeant, fmt.Sprintf("%s is %s cores, which hardly any node has", n.path, n.text),
			"cpu is counted in cores", fmt.Sprintf("write thousandths of a core: %q", n.text+"m"))
	case wholeOnly(n.name) && q.MilliValue()%1000 != 0:
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be a whole number, not %s", n.path, n.text), "such resources cannot be divided", "")
	}
	set(into, n.name, n.text)
	return true
}

// manyCores are more than a container asks for: as thousandths they are common.
const manyCores = 100

// manyBytes are more than a node has.
const manyBytes = 64 << 40

// mebibytes writes a number of what was probably meant as mebibytes.
func mebibytes(text string) string {
	number := strings.TrimSuffix(text, "m")
	if !wholeNumber.MatchString(number) || strings.Trim(number, "0") == "" {
		return `write the unit: "64Mi", "1Gi"`
	}
	return fmt.Sprintf("write the unit: %q", number+"Mi")
}

// compare checks a request against its limit.
func (d *decoder) compare(request, limit *node, asked, allowed string) {
	a, err1 := resource.ParseQuantity(asked)
	b, err2 := resource.ParseQuantity(allowed)
	if err1 != nil || err2 != nil {
		return
	}
	wrong := func(message, why, hint string) {
		d.tell(&Error{
			Rule: rule.RequestOverLimit, Pos: request.pos, Path: request.path,
			Message: message, Why: why, Hint: hint, Related: []Pos{limit.pos},
		})
	}
	switch c := a.Cmp(b); {
	case c > 0:
		wrong(fmt.Sprintf("%s asks for %s, more than its limit of %s", request.path, asked, allowed), "",
			"raise the limit, or ask for less")
	case c != 0 && wholeOnly(request.name):
		wrong(fmt.Sprintf("%s asks for %s, but its limit is %s", request.path, asked, allowed),
			"Kubernetes wants the two to be equal for such a resource", "remove the limit: it follows")
	}
}

func set(m *map[string]string, k, v string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
}
