package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// placement decodes on which nodes pods run. That the services in it are there
// is checked when all are known.
func (d *decoder) placement(n *node) Placement {
	p := Placement{
		Nodes:    texts(n.get("nodes")),
		Near:     affinities(n.get("near")),
		Apart:    affinities(n.get("apart")),
		Priority: n.get("priority").str(),
	}
	for _, f := range sorted(n.get("spread")) {
		if f.is(cue.StructKind) {
			s := Spread{Topology: topology(f.name), MaxSkew: int32(cmp.Or(f.get("maxSkew").int64(), 1)), Required: f.get("required").bool(false)}
			if i := slices.IndexFunc(p.Spread, func(o Spread) bool { return o.Topology == s.Topology }); i >= 0 {
				d.wrong(f, rule.OneOf, fmt.Sprintf("%s is %s, which is spread over already", f.path, s.Topology), "", "remove one of them")
				continue
			}
			p.Spread = append(p.Spread, s)
		}
	}
	slices.SortFunc(p.Spread, func(a, b Spread) int { return cmp.Compare(a.Topology, b.Topology) })
	for _, f := range sorted(n.get("tolerations")) {
		if f.is(cue.StructKind) {
			p.Tolerations = append(p.Tolerations, d.toleration(f))
		}
	}
	return p
}

// topology gives the label of nodes that a word means.
func topology(word string) string {
	switch word {
	case "", "node":
		return nodeTopology
	case "zone":
		return zoneTopology
	case "region":
		return regionTopology
	}
	return word
}

func affinities(n *node) []Affinity {
	var list []Affinity
	for _, f := range sorted(n) {
		if f.is(cue.StructKind) {
			list = append(list, Affinity{Service: f.name, Topology: topology(f.get("topology").str()), Required: f.get("required").bool(false)})
		}
	}
	return list
}

func (d *decoder) toleration(n *node) Toleration {
	t := Toleration{
		Name: n.name, Key: n.get("key").str(), Operator: n.get("operator").str(), Value: n.get("value").str(),
		Effect: n.get("effect").str(), Seconds: id(n.get("seconds")),
	}
	value, operator := n.get("value"), n.get("operator")
	switch {
	case t.Operator == "Exists" && value != nil:
		d.against(value, operator, rule.OneOf, value.path+" is compared with nothing, as the operator is Exists", "", `remove one of the two`)
	case t.Operator == "" && value != nil:
		t.Operator = "Equal"
	case t.Operator == "" && n.missing("operator"):
		t.Operator = "Exists"
	}
	if t.Operator == "Equal" && n.missing("key") {
		d.wrong(n, rule.MissingField, n.path+" compares a value, but does not say of which taint", "", `write key: "…"`)
	}
	if at := n.get("seconds"); at != nil && t.Effect != "NoExecute" && settled(n, "effect") {
		d.against(at, n.get("effect"), rule.OneOf, at.path+" is of the effect NoExecute, which this is not", "only that ends pods that run already", `write effect: "NoExecute", or remove it`)
	}
	return t
}

// neighbours checks the services that pods are to be near to or apart from.
func (d *decoder) neighbours(m member) {
	p := m.n.get("placement")
	for _, f := range sorted(p.get("near")) {
		if f.name == m.s.Name {
			d.wrong(f, rule.PlacementFight, f.path+" is the service itself", "its first pod would have nobody to be near to", "remove it, or write apart for pods that should not share a node")
			continue
		}
		d.other(f, f.name, "names")
	}
	for _, f := range sorted(p.get("apart")) {
		if f.name != m.s.Name {
			d.other(f, f.name, "names")
		}
	}
	for _, near := range m.s.Placement.Near {
		for _, apart := range m.s.Placement.Apart {
			if near == apart {
				d.against(p.get("near").get(near.Service), p.get("apart").get(near.Service), rule.PlacementFight,
					fmt.Sprintf("%s is to be both near %s and apart from it", m.n.path, near.Service), "", "remove one of the two")
			}
		}
	}
}

// permissions decodes what a service may do with the Kubernetes API.
func (d *decoder) permissions(n *node) []Permission {
	var list []Permission
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		p := Permission{
			Name: f.name, APIGroups: f.get("apiGroups").strings(), Resources: f.get("resources").strings(),
			Verbs: f.get("verbs").strings(), Names: f.get("names").strings(),
		}
		if p.APIGroups == nil {
			p.APIGroups = []string{""}
		}
		for _, name := range []string{"apiGroups", "resources", "verbs", "names"} {
			at := f.get(name)
			if at.is(cue.ListKind) && len(at.items) == 0 {
				d.wrong(at, rule.WrongValue, at.path+" is an empty list", "it would allow nothing", "write some, or remove it")
			}
			if name != "names" {
				d.apiWords(at)
			}
			if at.is(cue.ListKind) && name != "names" && slices.Contains(at.strings(), "*") {
				d.wrong(at, rule.WidePermission, at.path+" is everything", "whoever takes over the service may do that too", "name what it needs")
			}
		}
		if at := f.get("names"); at != nil && slices.Contains(p.Verbs, "create") {
			d.against(at, f.get("verbs"), rule.PermissionNames, fmt.Sprintf("%s does not narrow create", at.path), "an object has no name yet that could be compared, so creating it is not allowed at all",
				"give create a permission of its own, without names")
		}
		list = append(list, p)
	}
	return list
}

// apiWords checks what RBAC compares letter by letter: what is spelt otherwise allows
// nothing.
func (d *decoder) apiWords(list *node) {
	if !list.is(cue.ListKind) {
		return
	}
	for _, item := range list.items {
		text, hint := item.str(), ""
		group, _, versioned := strings.Cut(text, "/")
		switch {
		case list.name == "apiGroups" && versioned:
			hint = fmt.Sprintf("write it without the version: %q", group)
		case text != strings.ToLower(text) && list.name == "resources":
			hint = fmt.Sprintf("write %q", strings.TrimSuffix(strings.ToLower(text), "s")+"s")
		case text != strings.ToLower(text):
			hint = fmt.Sprintf("write %q", strings.ToLower(text))
		case list.name == "resources" && slices.Contains(plurals, text+"s"):
			hint = fmt.Sprintf("write %q", text+"s")
		default:
			continue
		}
		d.wrong(item, rule.WrongValue, fmt.Sprintf("%s has %q, which the Kubernetes API does not know", list.path, text), "it would allow nothing", hint)
	}
}

// plurals are resources that are often named in the singular.
var plurals = []string{
	"pods", "services", "configmaps", "secrets", "nodes", "namespaces", "events", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "leases",
}

// monitor decodes where a service has metrics.
func (d *decoder) monitor(n, service *node, s *Service) *Monitor {
	if !n.is(cue.StructKind) {
		return nil
	}
	m := &Monitor{Port: n.get("port").str(), Path: cmp.Or(n.get("path").str(), "/metrics"), Interval: n.get("interval").str()}
	at := n
	if port := n.get("port"); port != nil {
		at = port
	}
	if at.bad || !settled(service, "ports") || !settled(service, "sidecars") {
		return m
	}
	p := findPort(s.ServicePorts(), cmp.Or(m.Port, "metrics"), "")
	if p == nil && m.Port == "" {
		p = s.port("")
	}
	if p == nil {
		d.noPort(at, m.Port, s, service, "reads metrics from")
		return m
	}
	m.Port = p.Name
	return m
}
