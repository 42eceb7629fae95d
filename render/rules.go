package render

import (
	"cmp"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// egressRules are whom the service's pods may connect to: the cluster's DNS, what
// the service calls, and the API server if it is permitted anything there. A
// NetworkPolicy knows addresses and no names, so a host outside is allowed by its
// port alone.
func (s *service) egressRules(calls []callEdge) []egressRule {
	rules := []egressRule{s.dnsRule()}
	for _, c := range calls {
		rules = append(rules, egressRule{To: policyPeers{c.peer}, Ports: c.ports})
	}
	for _, c := range s.Calls {
		switch {
		case c.CIDR != "":
			rules = append(rules, egressRule{To: addresses(c.CIDR), Ports: policyPorts{numbered(corev1.ProtocolTCP, c.Port)}})
		case c.Host != "":
			rules = append(rules, egressRule{Ports: policyPorts{numbered(corev1.ProtocolTCP, c.Port)}})
		}
	}
	if len(s.Permissions) > 0 {
		rule := egressRule{Ports: policyPorts{numbered(corev1.ProtocolTCP, 443), numbered(corev1.ProtocolTCP, 6443)}}
		if s.app.Network.APIServer != "" {
			rule.To = addresses(s.app.Network.APIServer)
		}
		rules = append(rules, rule)
	}
	return rules
}

// dnsRule allows to ask the cluster's DNS, and that of the node
// (https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns), whose
// address no pod has.
func (s *service) dnsRule() egressRule {
	dns := s.app.Network.DNS
	if dns.Namespace == "" {
		dns = schema.Peer{Namespace: metav1.NamespaceSystem, Labels: map[string]string{"k8s-app": "kube-dns"}}
	}
	local := cmp.Or(s.app.Network.NodeLocalDNS, "169.254.20.10")
	return egressRule{
		To:    append(policyPeers{peer(dns)}, addresses(oneAddress(local))...),
		Ports: policyPorts{numbered(corev1.ProtocolUDP, 53), numbered(corev1.ProtocolTCP, 53)},
	}
}

// ingressRules are who may connect to the service's pods, besides the services of
// the app that call it: see policies.
func (s *service) ingressRules() ([]ingressRule, error) {
	exposed, err := s.exposedPorts(s.Name)
	if err != nil {
		return nil, err
	}
	var rules []ingressRule
	if len(exposed) > 0 {
		rules = append(rules, ingressRule{From: peers(s.app.Network.Ingress), Ports: exposed})
	}
	if open := s.openPorts(); len(open) > 0 {
		rules = append(rules, ingressRule{Ports: open})
	}
	if s.Monitor != nil {
		port, err := s.monitorPort()
		if err != nil {
			return nil, err
		}
		rules = append(rules, ingressRule{From: peers(s.app.Network.Monitoring), Ports: policyPorts{policyPort(port)}})
	}
	for _, c := range s.Callers {
		ports, err := s.callerPorts(c)
		if err != nil {
			return nil, s.wrong("callers."+c.Name, err)
		}
		rules = append(rules, ingressRule{From: callerPeers(c), Ports: ports})
	}
	return rules, nil
}

// openPorts are those that listen outside of the cluster's network, where the
// address of who connects is lost or anybody's.
func (s *service) openPorts() policyPorts {
	kind := s.Service.Service.Type
	outside := kind == schema.NodePort || kind == schema.LoadBalancer
	var ports policyPorts
	for _, p := range s.ServicePorts() {
		if outside || p.Host != 0 {
			ports = append(ports, policyPort(p))
		}
	}
	return namedPorts(ports)
}

func (s *service) callerPorts(c schema.Caller) (policyPorts, error) {
	if c.Port != "" {
		port, err := portNamed(s.ServicePorts(), c.Port, "")
		return policyPorts{policyPort(port)}, err
	}
	var ports policyPorts
	for _, p := range s.ServicePorts() {
		ports = append(ports, policyPort(p))
	}
	return namedPorts(ports), nil
}

// callerPeers are who a caller outside of the app is: of a service its tasks too.
func callerPeers(c schema.Caller) policyPeers {
	switch {
	case c.CIDR != "":
		return addresses(c.CIDR)
	case c.App == "":
		return policyPeers{{NamespaceSelector: namespaceNamed(c.Namespace)}}
	}
	from := func(key, value string) networkingv1.NetworkPolicyPeer {
		pods := map[string]string{LabelPartOf: c.App}
		if value != "" {
			pods[key] = value
		}
		return peer(schema.Peer{Namespace: cmp.Or(c.Namespace, c.App), Labels: pods})
	}
	if c.Service == "" {
		return policyPeers{from("", "")}
	}
	return policyPeers{from(LabelName, c.Service), from(LabelTaskOf, c.Service)}
}

// calledPort is the port of the callee that c connects to, or nil for all of
// them: what the ports of another app are called is its own business. A callee
// that is not in the app (which is then a part of one) is taken at the call's
// word.
func (s *service) calledPort(c schema.Call) (*schema.Port, error) {
	if c.App != "" {
		if c.Target == "" {
			return nil, nil
		}
		return &schema.Port{Name: c.Target}, nil
	}
	callee := s.callees[c.Service]
	if callee == nil && c.Target != "" {
		return &schema.Port{Name: c.Target}, nil
	}
	if callee == nil {
		return nil, errors.New("it names no port")
	}
	port, err := portNamed(callee.ServicePorts(), c.Target, "http")
	return &port, err
}

// calledNamespace is where a called service is.
func (s *service) calledNamespace(c schema.Call) string {
	if c.App == "" || c.App == s.app.Name {
		return cmp.Or(c.Namespace, namespace(s.app))
	}
	return cmp.Or(c.Namespace, c.App)
}

func policyPort(p schema.Port) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString(p.Name)), Protocol: ptr.To(protocol(p.Protocol))}
}

// peers are anybody for nil.
func peers(p *schema.Peer) policyPeers {
	if p == nil {
		return nil
	}
	return policyPeers{peer(*p)}
}

func peer(p schema.Peer) networkingv1.NetworkPolicyPeer {
	found := networkingv1.NetworkPolicyPeer{NamespaceSelector: namespaceNamed(p.Namespace)}
	if len(p.Labels) > 0 {
		found.PodSelector = &metav1.LabelSelector{MatchLabels: p.Labels}
	}
	return found
}

func addresses(cidr string) policyPeers {
	return policyPeers{{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}}
}

// oneAddress is the range of a single address.
func oneAddress(ip string) string {
	if strings.Contains(ip, ":") {
		return ip + "/128"
	}
	return ip + "/32"
}
