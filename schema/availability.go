package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// The labels of nodes that pods are placed by
// (https://kubernetes.io/docs/reference/labels-annotations-taints).
const (
	nodeTopology   = "kubernetes.io/hostname"
	zoneTopology   = "topology.kubernetes.io/zone"
	regionTopology = "topology.kubernetes.io/region"
)

// takesNoCount are fields that a service without a count of pods does not have.
var takesNoCount = []string{"autoscale", "availability", "disruption"}

// scaling decodes how many pods a service has and how many stay, when its
// workload, replicas and placement are known.
func (d *decoder) scaling(n *node, s *Service) {
	s.Availability = n.get("availability").str()
	s.Autoscale = d.autoscale(n.get("autoscale"), s)
	s.Disruption = d.disruption(n.get("disruption"))
	if !settled(n, "workload") {
		return
	}
	if s.Finite() || s.Workload == DaemonSet {
		for _, name := range takesNoCount {
			if at := n.get(name); at != nil && (name != "autoscale" || s.Autoscale == nil || s.Autoscale.Max > 0) {
				d.against(at, n.get("workload"), rule.NotOfWorkload, fmt.Sprintf("%s is a %s, which has no %s", n.path, s.Workload, name),
					"only a Deployment and a StatefulSet have a count of pods", "remove it")
			}
		}
		return
	}
	if a := s.Autoscale; a != nil && a.Max > 0 {
		if n.missing("replicas") {
			s.Replicas = a.Min
		}
		// The autoscaler would change any other number at once.
		s.Replicas = min(max(s.Replicas, a.Min), max(a.Min, a.Max))
	}
	switch s.Availability {
	case ActiveActive:
		d.activeActive(n, s)
	case ActivePassive:
		d.activePassive(n, s)
	}
	d.canDrain(n, s)
}

// fewest gives the least number of pods that a service may have.
func (s *Service) fewest() int32 {
	if s.Autoscale != nil && s.Autoscale.Max > 0 {
		return s.Autoscale.Min
	}
	return s.Replicas
}

// most gives the largest number of pods that a service may have.
func (s *Service) most() int32 {
	if s.Autoscale != nil && s.Autoscale.Max > 0 {
		return max(s.Autoscale.Max, s.Replicas)
	}
	return s.Replicas
}

func (d *decoder) activeActive(n *node, s *Service) {
	at, count := n.get("availability"), n.get("replicas")
	if a := n.get("autoscale"); s.Autoscale != nil && s.Autoscale.Max > 0 {
		count = a.get("min")
		if count == nil {
			count = a.get("max")
		}
	}
	if s.fewest() < 2 && settled(n, "replicas") && settled(n, "autoscale") {
		at := at
		if count != nil {
			at = count
		}
		d.against(at, n.get("availability"), rule.Availability, fmt.Sprintf("%s is active-active with one pod", n.path),
			"then nothing serves while that is replaced", "write replicas: 2, or autoscale: min: 2")
	}
	for _, topology := range []string{nodeTopology, zoneTopology} {
		if !slices.ContainsFunc(s.Placement.Spread, func(sp Spread) bool { return sp.Topology == topology }) {
			s.Placement.Spread = append(s.Placement.Spread, Spread{Topology: topology, MaxSkew: 1})
		}
	}
	slices.SortFunc(s.Placement.Spread, func(a, b Spread) int { return strings.Compare(a.Topology, b.Topology) })
	if s.Disruption == nil && n.missing("disruption") {
		s.Disruption = &Disruption{MaxUnavailable: "1"}
	}
}

// lostNode is how long the pod of an active-passive service stays on a node that
// is lost, in seconds; Kubernetes' default is 300.
const lostNode = 30

func (d *decoder) activePassive(n *node, s *Service) {
	at := n.get("availability")
	if count := n.get("replicas"); s.Replicas > 1 && count.is(cue.IntKind) {
		d.against(count, at, rule.Availability, fmt.Sprintf("%s is active-passive, but has %d replicas", n.path, s.Replicas), "one pod serves, and never two at once", "write replicas: 1")
	}
	if a := n.get("autoscale"); s.Autoscale != nil && s.Autoscale.Max > 0 {
		d.against(a, at, rule.Availability, fmt.Sprintf("%s is active-passive, but its count is scaled", n.path), "one pod serves, and never two at once", "remove one of the two")
	}
	rollout := n.get("rollout")
	switch {
	case s.Workload != Deployment:
	case s.Rollout.Strategy == "RollingUpdate":
		d.against(rollout.get("strategy"), at, rule.Availability, rollout.get("strategy").path+" would run two pods at once, but the service is active-passive", "", `remove it: it is "Recreate"`)
	default:
		s.Rollout.Strategy = "Recreate"
	}
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		if slices.ContainsFunc(s.Placement.Tolerations, func(t Toleration) bool { return t.Key == key }) {
			continue
		}
		seconds := int64(lostNode)
		s.Placement.Tolerations = append(s.Placement.Tolerations, Toleration{
			Name: strings.TrimPrefix(key, "node.kubernetes.io/"), Key: key, Operator: "Exists", Effect: "NoExecute", Seconds: &seconds,
		})
	}
	slices.SortFunc(s.Placement.Tolerations, func(a, b Toleration) int { return strings.Compare(a.Name, b.Name) })
}

func (d *decoder) disruption(n *node) *Disruption {
	if !n.is(cue.StructKind) {
		return nil
	}
	d.oneOf(n, []string{"minAvailable", "maxUnavailable"}, "says it twice", "a PodDisruptionBudget has one of them",
		"does not say how many pods may be away", "write maxUnavailable: 1, or minAvailable: …")
	var b Disruption
	for name, to := range map[string]*string{"minAvailable": &b.MinAvailable, "maxUnavailable": &b.MaxUnavailable} {
		if f := n.get(name); f.is(cue.IntKind | cue.StringKind) {
			*to = f.text
		}
	}
	if b == (Disruption{}) {
		return nil
	}
	return &b
}

// canDrain checks that a budget lets a node be drained at all.
func (d *decoder) canDrain(n *node, s *Service) {
	b := n.get("disruption")
	if s.Disruption == nil || !b.is(cue.StructKind) || !settled(n, "replicas") || !settled(n, "autoscale") || s.fewest() == 0 {
		return
	}
	pods := s.fewest()
	const why, hint = "then no node with one of its pods could ever be drained", "write maxUnavailable: 1, or more replicas"
	if at := b.get("minAvailable"); at != nil && !at.bad && countOf(at.text, pods) >= pods {
		d.against(at, n.get("replicas"), rule.DrainStuck, fmt.Sprintf("%s is %s, but %s may have only %d: none may ever be away", at.path, at.text, n.path, pods), why, hint)
	}
	if at := b.get("maxUnavailable"); at != nil && !at.bad && countOf(at.text, pods) == 0 {
		d.against(at, n.get("replicas"), rule.DrainStuck, fmt.Sprintf("%s is %s of %d: none may ever be away", at.path, at.text, pods), why, hint)
	}
}

// countOf gives a count, or a part of all that is rounded up as a
// PodDisruptionBudget does.
func countOf(text string, all int32) int32 {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, _ := strconv.ParseFloat(percent, 64)
		return int32(math.Ceil(float64(all) * p / 100))
	}
	n, _ := strconv.ParseInt(text, 10, 32)
	return int32(n)
}
