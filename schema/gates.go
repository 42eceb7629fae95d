package schema

import (
	"fmt"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// versions checks what services have against what the App's version of Kubernetes
// does with it.
func (d *decoder) versions(a *App) {
	for _, m := range d.enabled {
		d.distribution(a, m.n.get("service").get("trafficDistribution"))
		away := m.n.get("rollout").get("maxUnavailable")
		if m.s.Workload == StatefulSet && away.is(cue.IntKind|cue.StringKind) && away.text != "1" && !away.bad {
			// https://kep.k8s.io/961: beta since 1.35, and off by default in all versions up to 1.36
			d.wrong(away, rule.FeatureGate, fmt.Sprintf("%s does nothing unless the cluster has the feature gate MaxUnavailableStatefulSet", away.path),
				"without it Kubernetes replaces one pod of a StatefulSet after the other", "remove it, or switch the gate on")
		}
	}
}

// distribution checks a Service's trafficDistribution: 1.34 has names for zones and
// nodes, of which the old name is one (https://kep.k8s.io/3015).
func (d *decoder) distribution(a *App, n *node) {
	old := a.Kubernetes == "1.33"
	switch {
	case !n.is(cue.StringKind):
	case n.text == "PreferClose" && !old:
		d.wrong(n, rule.DeprecatedValue, n.path+` is "PreferClose", which is the old name of "PreferSameZone"`, "Kubernetes deprecates it since 1.34", `write "PreferSameZone"`)
	case n.text != "PreferClose" && old:
		d.wrong(n, rule.FeatureGate, fmt.Sprintf("%s is %q, which Kubernetes %s has only with the feature gate PreferSameTrafficDistribution", n.path, n.text, a.Kubernetes),
			"without it the API server refuses the Service", `write "PreferClose", which prefers the same zone`)
	}
}
