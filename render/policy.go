package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

type (
	policyPorts = []networkingv1.NetworkPolicyPort
	policyPeers = []networkingv1.NetworkPolicyPeer
	ingressRule = networkingv1.NetworkPolicyIngressRule
	egressRule  = networkingv1.NetworkPolicyEgressRule
)

// policies let the service's pods connect as it is declared, and not otherwise.
// One is of the pods themselves: nobody may connect, either way, but whom it
// names. Policies add up, so those who call the service bring their own: one for
// each edge, which lets the caller in. A caller can thus be deployed alone, and
// callees need not know of it.
//
// A node may always connect to its own pods, so probes need no rule. Replies
// need none either.
func (s *service) policies() ([]any, error) {
	if !s.app.Network.Policy {
		return nil, nil
	}
	ingress, err := s.ingressRules()
	if err != nil {
		return nil, err
	}
	calls, err := s.callEdges()
	if err != nil {
		return nil, err
	}
	egress := s.egressRules(calls)
	objects := []any{s.policy(s.Name, s.selector, ingress, egress)}
	for _, c := range calls {
		if c.ours {
			objects = append(objects, s.policy(s.Name+"-to-"+c.service, c.pods, []ingressRule{{From: podPeers(s.selector), Ports: c.ports}}, nil))
		}
	}
	backends, err := s.backendPolicies()
	if err != nil {
		return nil, err
	}
	return append(append(objects, backends...), s.taskPolicies(calls, egress)...), nil
}

// taskPolicies are those of the pods of tasks, which nobody connects to. They are
// named by their content: the tasks before a change of the workload run with
// those of the new release, while the pods of the old one keep theirs.
func (s *service) taskPolicies(calls []callEdge, egress []egressRule) []any {
	if len(s.Before)+len(s.After) == 0 {
		return nil
	}
	pods := map[string]string{LabelTaskOf: s.Name, LabelPartOf: s.app.Name}
	policies := []*networkingv1.NetworkPolicy{s.policy(s.Name+"-tasks", pods, nil, egress)}
	for _, c := range calls {
		if c.ours {
			policies = append(policies, s.policy(s.Name+"-tasks-to-"+c.service, c.pods, []ingressRule{{From: podPeers(pods), Ports: c.ports}}, nil))
		}
	}
	objects := make([]any, len(policies))
	for i, p := range policies {
		h := sha256.New()
		spec, _ := json.Marshal(p.Spec) // structs of texts and numbers
		write(h, string(spec))
		p.Name = hashedName(p.Name, h)
		objects[i] = p
	}
	return objects
}

// policy is of some pods. The lists in it are owned whole, so their ports'
// protocols are written out. Without egress it says nothing about that; without
// ingress, with egress, it lets nobody in.
func (s *service) policy(name string, pods map[string]string, ingress []ingressRule, egress []egressRule) *networkingv1.NetworkPolicy {
	types := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if egress != nil {
		types = append(types, networkingv1.PolicyTypeEgress)
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: s.meta(name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: pods},
			PolicyTypes: types,
			Ingress:     ingress,
			Egress:      egress,
		},
	}
}

// callEdge is what the service calls of one other: a service of this app, or of
// another.
type callEdge struct {
	service string
	ours    bool // it is of this app, and in its namespace: the caller may let itself in
	pods    map[string]string
	peer    networkingv1.NetworkPolicyPeer
	ports   policyPorts // nil are all
}

// callEdges are one for each service that this one calls, by name; then those of
// other apps.
func (s *service) callEdges() ([]callEdge, error) {
	edges := map[string]callEdge{}
	for _, c := range s.Calls {
		if c.Service == "" {
			continue
		}
		app, ns := cmp.Or(c.App, s.app.Name), s.calledNamespace(c)
		ours := app == s.app.Name && ns == namespace(s.app)
		key := "/" + c.Service
		if !ours {
			key = ns + "/" + app + "/" + c.Service
		}
		e, known := edges[key]
		if !known {
			e = callEdge{service: c.Service, ours: ours, pods: map[string]string{LabelName: c.Service, LabelPartOf: app}}
			e.peer.PodSelector = &metav1.LabelSelector{MatchLabels: e.pods}
			if ns != namespace(s.app) {
				e.peer.NamespaceSelector = namespaceNamed(ns)
			}
		}
		port, err := s.calledPort(c)
		switch {
		case err != nil:
			return nil, s.wrong("calls."+c.Name, err)
		case port == nil:
			e.ports = nil
		case !known || e.ports != nil:
			e.ports = namedPorts(append(e.ports, policyPort(*port)))
		}
		edges[key] = e
	}
	var list []callEdge
	for _, key := range slices.Sorted(maps.Keys(edges)) {
		list = append(list, edges[key])
	}
	return list, nil
}

// namedPorts are in order, each once.
func namedPorts(ports policyPorts) policyPorts {
	slices.SortFunc(ports, func(a, b networkingv1.NetworkPolicyPort) int { return cmp.Compare(a.Port.StrVal, b.Port.StrVal) })
	return slices.CompactFunc(ports, func(a, b networkingv1.NetworkPolicyPort) bool { return a.Port.StrVal == b.Port.StrVal })
}

func namespaceNamed(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

// podPeers are pods of the app's own namespace.
func podPeers(labels map[string]string) policyPeers {
	return policyPeers{{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}}
}

func numbered(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(number)), Protocol: &protocol}
}
