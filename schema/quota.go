package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/api/resource"
)

// quota decodes the limits of the namespace.
func (d *decoder) quota(n *node) map[string]string {
	var m map[string]string
	by := map[string]*node{}
	for _, f := range sorted(n) {
		if !f.is(cue.StringKind | cue.NumberKind) {
			continue
		}
		name := f.name
		switch name {
		case "cpu", "memory", "ephemeral-storage":
			name = "requests." + name
		}
		if other := by[name]; other != nil {
			d.against(f, other, rule.SameLimit, fmt.Sprintf("%s and %s are the same limit", f.path, other.path), "", "remove one of them")
			continue
		}
		by[name] = f
		q, err := resource.ParseQuantity(f.text)
		switch {
		case err != nil:
			d.wrong(f, rule.WrongValue, fmt.Sprintf("%s must be a quantity, not %q", f.path, f.text), "", `write one such as "16Gi" or 40`)
			continue
		case strings.HasSuffix(name, "memory") && q.Sign() > 0 && q.CmpInt64(1<<20) < 0:
			d.wrong(f, rule.QuantityUnit, fmt.Sprintf("%s is %s, which is less than one mebibyte", f.path, f.text),
				`memory is counted in bytes, and "m" means thousandths`, `write the unit: "64Mi", "1Gi"`)
		case !strings.HasPrefix(name, "requests.") && !strings.HasPrefix(name, "limits.") && !strings.HasSuffix(name, "storage") && q.MilliValue()%1000 != 0:
			d.wrong(f, rule.WrongValue, fmt.Sprintf("%s must be a whole number, not %s", f.path, f.text), "it counts objects", "")
		}
		set(&m, name, f.text)
	}
	return m
}

// fitQuota compares what the services ask for with the quota: what runs always,
// and what a rolling update of all needs beyond that.
func (d *decoder) fitQuota(a *App, n *node) {
	if n == nil || n.bad {
		return
	}
	for _, f := range sorted(n) {
		name := f.name
		if _, ok := a.Quota[name]; !ok {
			name = "requests." + name
		}
		limit, err := resource.ParseQuantity(a.Quota[name])
		if f.bad || err != nil || !counted(name) {
			continue
		}
		var always, surge, most resource.Quantity
		var mostNode *node
		for _, m := range d.enabled {
			need, ok := demandOf(a.Limits, m.s, name)
			if !ok && (m.s.most() > 0 || m.s.Finite()) {
				d.unaccounted(m, f, name)
			}
			if !ok {
				continue
			}
			if need.job.Cmp(limit) > 0 {
				d.against(f, m.n, rule.QuotaNeverFits, fmt.Sprintf("%s is %s, but %s alone takes %s: it can never fit", f.path, f.text, m.n.path, need.job.String()),
					"", "raise the quota, or ask for less")
			}
			always.Add(need.always)
			surge.Add(need.surge)
			if need.always.Cmp(most) > 0 {
				most, mostNode = need.always, m.n
			}
		}
		both := always.DeepCopy()
		both.Add(surge)
		switch {
		case always.Cmp(limit) > 0:
			d.against(f, mostNode, rule.QuotaNeverFits, fmt.Sprintf("%s is %s, but the services take %s: they can never fit", f.path, f.text, always.String()),
				fmt.Sprintf("%s takes most of it: %s", mostNode.path, most.String()), "raise the quota, or lower replicas or resources")
		case both.Cmp(limit) > 0:
			d.tell(&Error{
				Rule: rule.QuotaSurge, Pos: f.pos, Path: f.path,
				Message: fmt.Sprintf("%s is %s: a rolling update of all services would need %s, and wait for the quota", f.path, f.text, both.String()),
				Why:     fmt.Sprintf("they take %s, and %s more for pods that are started before old ones end", always.String(), surge.String()),
				Hint:    "raise the quota, or write rollout: {maxSurge: 0, maxUnavailable: 1} for some",
			})
		}
	}
}

// counted reports whether demandOf knows how much of a limit a service takes.
func counted(name string) bool {
	switch name {
	case "pods", "count/pods", "persistentvolumeclaims":
		return true
	}
	return strings.HasPrefix(name, "requests.") || strings.HasPrefix(name, "limits.")
}

// demand is how much of a limit a service takes.
type demand struct {
	always resource.Quantity // as long as it runs
	surge  resource.Quantity // beyond that while it is updated
	job    resource.Quantity // for a while: others wait until then
}

// demandOf gives how much of a limit a service takes, and false when the service
// does not say.
func demandOf(l *Limits, s *Service, name string) (demand, bool) {
	if name == "persistentvolumeclaims" || name == "requests.storage" {
		var sum resource.Quantity
		for _, v := range s.Volumes {
			switch {
			case v.Claim == nil:
			case name == "requests.storage":
				if q, err := resource.ParseQuantity(v.Claim.Size); err == nil {
					sum.Add(q)
				}
			default:
				sum.Add(*resource.NewQuantity(1, resource.DecimalSI))
			}
		}
		if s.Workload == StatefulSet {
			sum.Mul(int64(s.most()))
		}
		return demand{always: sum}, true
	}
	pod, ok := podDemand(l, s, name)
	if !ok || s.Finite() {
		return demand{job: pod}, ok
	}
	return demand{always: times(pod, int64(s.most())), surge: times(pod, s.surge())}, true
}

// podDemand gives how much of a limit one pod of a service takes: its containers
// together, or an init container that takes more.
func podDemand(l *Limits, s *Service, name string) (resource.Quantity, bool) {
	if name == "pods" || name == "count/pods" {
		return *resource.NewQuantity(1, resource.DecimalSI), true
	}
	sum, ok := l.demand(s.Resources, name)
	for _, c := range s.Sidecars {
		more, said := l.demand(c.Resources, name)
		sum.Add(more)
		ok = ok && said
	}
	for _, c := range s.Init {
		alone, said := l.demand(c.Resources, name)
		if alone.Cmp(sum) > 0 {
			sum = alone
		}
		ok = ok && said
	}
	return sum, ok
}

// demand gives how much of a limit one container takes.
func (l *Limits) demand(r Resources, name string) (resource.Quantity, bool) {
	r = l.effective(r)
	asked := r.Requests
	if rest, ok := strings.CutPrefix(name, "limits."); ok {
		asked, name = r.Limits, rest
	}
	name = strings.TrimPrefix(name, "requests.")
	q, err := resource.ParseQuantity(asked[name])
	if err != nil {
		return resource.Quantity{}, name != "cpu" && name != "memory"
	}
	return q, true
}

// unaccounted warns of a service whose pods Kubernetes refuses, as it does not
// say what it takes of a limited resource.
func (d *decoder) unaccounted(m member, quota *node, name string) {
	kind, of, _ := strings.Cut(name, ".")
	write := fmt.Sprintf("resources: %s: …", of)
	if kind == "limits" {
		write = fmt.Sprintf("resources: limits: %s: …", of)
	}
	d.tell(&Error{
		Rule: rule.QuotaUnaccounted, Pos: m.n.pos, Path: m.n.path,
		Message: fmt.Sprintf("%s does not say how much %s it takes, but %s limits that", m.n.path, of, quota.path),
		Why:     "Kubernetes then refuses its pods, unless a LimitRange of the namespace says it for them",
		Hint:    "write " + write,
		Related: []Pos{quota.pos},
	})
}

// surge gives how many pods of a service a rolling update starts beyond its
// replicas.
func (s *Service) surge() int64 {
	if s.Workload != Deployment || s.Recreated() || s.most() == 0 {
		return 0
	}
	text := s.Rollout.MaxSurge
	if text == "" {
		text = "25%"
	}
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, _ := strconv.ParseFloat(percent, 64)
		return int64(math.Ceil(float64(s.most()) * p / 100))
	}
	count, _ := strconv.ParseInt(text, 10, 64)
	return count
}

func times(q resource.Quantity, n int64) resource.Quantity {
	product := q.DeepCopy()
	product.Mul(n)
	return product
}
