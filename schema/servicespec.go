package schema

import (
	"cmp"
	"fmt"
	"slices"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// typesOf are the types of Services that have a field; the others of them have
// every field.
var typesOf = []struct {
	field string
	types []string
}{
	{"externalTrafficPolicy", []string{NodePort, LoadBalancer}},
	{"loadBalancerClass", []string{LoadBalancer}},
	{"loadBalancerSourceRanges", []string{LoadBalancer}},
	{"internalTrafficPolicy", []string{ClusterIP, NodePort, LoadBalancer}},
	{"sessionAffinity", []string{ClusterIP, NodePort, LoadBalancer}},
}

// serviceSpec decodes how the Service is made of the ports.
func (d *decoder) serviceSpec(n, service *node, s *Service) ServiceSpec {
	spec := ServiceSpec{
		Type:                     cmp.Or(n.get("type").str(), ClusterIP),
		Annotations:              texts(n.get("annotations")),
		ExternalTrafficPolicy:    n.get("externalTrafficPolicy").str(),
		InternalTrafficPolicy:    n.get("internalTrafficPolicy").str(),
		TrafficDistribution:      n.get("trafficDistribution").str(),
		SessionAffinity:          n.get("sessionAffinity").str(),
		LoadBalancerClass:        n.get("loadBalancerClass").str(),
		LoadBalancerSourceRanges: n.get("loadBalancerSourceRanges").strings(),
		IPFamilyPolicy:           n.get("ipFamilyPolicy").str(),
		PublishNotReadyAddresses: n.get("publishNotReadyAddresses").bool(false),
	}
	if ranges := n.get("loadBalancerSourceRanges"); ranges.is(cue.ListKind) {
		for _, item := range ranges.items {
			d.cidr(item)
		}
	}
	if n.is(cue.StructKind) && len(n.fields) > 0 && len(s.ServicePorts()) == 0 && settled(service, "ports") && settled(service, "sidecars") {
		d.wrong(n, rule.NotOfService, fmt.Sprintf("%s is of a Service, but %s has no ports", n.path, service.path), "a Service is made of ports", "write ports: http: 8080")
	}
	if n != nil && !settled(n, "type") {
		return spec
	}
	for _, f := range typesOf {
		if at := n.get(f.field); at != nil && !slices.Contains(f.types, spec.Type) {
			d.against(at, n.get("type"), rule.NotOfService, fmt.Sprintf("%s is a Service of type %s, which has no %s", n.path, spec.Type, f.field),
				"only "+either(f.types)+" has it", "remove it, or change the type")
		}
	}
	d.portsOfType(service, s, n.get("type"), spec.Type)
	return spec
}

// portsOfType checks the ports against the type of Service, and numbers those of a
// headless one, where nothing translates them.
func (d *decoder) portsOfType(service *node, s *Service, at *node, kind string) {
	containers := []*node{service}
	all := [][]Port{s.Ports}
	for _, c := range s.Sidecars {
		containers, all = append(containers, service.get("sidecars").get(c.Name)), append(all, c.Ports)
	}
	for i, ports := range all {
		for j := range ports {
			p := &ports[j]
			n := containers[i].get("ports").get(p.Name)
			if p.Node > 0 && kind != NodePort && kind != LoadBalancer {
				d.against(n.get("node"), at, rule.NotOfService, fmt.Sprintf("%s.node is a port of every node, which a Service of type %s does not have", n.path, kind), "",
					`write service: type: "NodePort", or remove it`)
			}
			if kind != Headless {
				continue
			}
			if p.Service != p.Port && n.get("service") != nil {
				d.against(n.get("service"), at, rule.NotOfService, fmt.Sprintf("%s.service is %d, but a headless Service translates no ports", n.path, p.Service),
					"its name gives the addresses of the pods themselves", "remove it")
			}
			p.Service = p.Port
		}
	}
}
