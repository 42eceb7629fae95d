package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// network is how the service is reached, and whom it reaches: Services, policies
// and Ingresses.
func (s *service) network() ([]any, error) {
	var objects []any
	if len(s.Ports) > 0 {
		objects = append(objects, s.clusterService())
	}
	if s.Workload == schema.StatefulSet {
		objects = append(objects, s.headlessService())
	}
	for _, part := range []func() ([]any, error){s.callPolicies, s.expose} {
		more, err := part()
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

func (s *service) clusterService() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(s.Name),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: s.selector,
			Ports:    s.servicePorts(),
		},
	}
}

// headless is the name of the Service that gives each pod of a StatefulSet its
// own address.
func (s *service) headless() string { return s.Name + "-headless" }

// headlessService has addresses of pods that are not ready too: they look for
// each other while they start.
func (s *service) headlessService() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(s.headless()),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 s.selector,
			Ports:                    s.servicePorts(),
		},
	}
}

// servicePorts point to container ports by name, so that a port's number may
// change in a rolling update while old pods still listen on the old one.
func (s *service) servicePorts() []corev1.ServicePort {
	ports := make([]corev1.ServicePort, len(s.Ports))
	for i, p := range s.Ports {
		ports[i] = corev1.ServicePort{
			Name:       p.Name,
			Port:       cmp.Or(p.Service, p.Port),
			TargetPort: intstr.FromString(p.Name),
			Protocol:   protocol(p.Protocol),
		}
	}
	return ports
}

// callPolicies are one per service that this one calls: it lets this one's pods
// in at the called ports, and nobody else. Policies add up, so the callers of a
// service need not know of each other; each brings its own.
func (s *service) callPolicies() ([]any, error) {
	called := map[string][]networkingv1.NetworkPolicyPort{}
	var callees []string
	for _, c := range s.Calls {
		if c.Service == "" {
			continue
		}
		port, err := s.calledPort(c)
		if err != nil {
			return nil, s.wrong("calls."+c.Name, err)
		}
		if called[c.Service] == nil {
			callees = append(callees, c.Service)
		}
		called[c.Service] = append(called[c.Service], policyPort(port))
	}
	slices.Sort(callees)
	objects := make([]any, len(callees))
	for i, callee := range callees {
		from := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: s.selector}}
		to := map[string]string{LabelName: callee, LabelPartOf: s.app.Name}
		objects[i] = s.policy(s.Name+"-to-"+callee, to, called[callee], from)
	}
	return objects, nil
}

// calledPort is the port of the callee that c connects to. A callee that is not
// in the app (which is then a part of one) is taken at the call's word.
func (s *service) calledPort(c schema.Call) (schema.Port, error) {
	callee := s.callees[c.Service]
	if callee == nil && c.Target != "" {
		return schema.Port{Name: c.Target}, nil
	}
	if callee == nil {
		return schema.Port{}, errors.New("it names no port")
	}
	return portNamed(callee.Ports, c.Target)
}

// policy lets traffic in to some pods at some ports, from anywhere if from is
// empty. The lists in it are owned whole, so their ports' protocols are written
// out.
func (s *service) policy(name string, to map[string]string, ports []networkingv1.NetworkPolicyPort, from ...networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
	slices.SortFunc(ports, func(a, b networkingv1.NetworkPolicyPort) int { return cmp.Compare(a.Port.StrVal, b.Port.StrVal) })
	ports = slices.CompactFunc(ports, func(a, b networkingv1.NetworkPolicyPort) bool { return a.Port.StrVal == b.Port.StrVal })
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: s.meta(name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: to},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{Ports: ports, From: from}},
		},
	}
}

func policyPort(p schema.Port) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString(p.Name)), Protocol: ptr.To(protocol(p.Protocol))}
}

// expose gives an Ingress for each, and the policy that lets traffic in which is
// from none of the app's services: without it, the first caller's policy would
// shut it out.
func (s *service) expose() ([]any, error) {
	if len(s.Expose) == 0 {
		return nil, nil
	}
	ports := make([]networkingv1.NetworkPolicyPort, len(s.Expose))
	ingresses := make([]any, len(s.Expose))
	for i, e := range s.Expose {
		port, err := portNamed(s.Ports, e.Port)
		if err != nil {
			return nil, s.wrong("expose."+e.Name, err)
		}
		ports[i] = policyPort(port)
		ingresses[i] = s.ingress(e, port)
	}
	return append([]any{s.policy(s.Name+"-expose", s.selector, ports)}, ingresses...), nil
}

func (s *service) ingress(e schema.Expose, port schema.Port) *networkingv1.Ingress {
	spec := networkingv1.IngressSpec{
		Rules: []networkingv1.IngressRule{{
			Host: e.Host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path:     cmp.Or(e.Path, "/"),
					PathType: ptr.To(networkingv1.PathTypePrefix),
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: s.Name,
						Port: networkingv1.ServiceBackendPort{Name: port.Name},
					}},
				}},
			}},
		}},
	}
	if e.Class != "" {
		spec.IngressClassName = &e.Class
	}
	if e.TLS != "" {
		spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{e.Host}, SecretName: e.TLS}}
	}
	return &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: s.meta(s.Name + "-" + e.Name),
		Spec:       spec,
	}
}

// portNamed finds the port called name; no name means the only port, or the one
// called http.
func portNamed(ports []schema.Port, name string) (schema.Port, error) {
	if name == "" {
		name = "http"
		if len(ports) == 1 {
			name = ports[0].Name
		}
	}
	i := slices.IndexFunc(ports, func(p schema.Port) bool { return p.Name == name })
	if i < 0 {
		return schema.Port{}, fmt.Errorf("the service has no port %q", name)
	}
	return ports[i], nil
}

func protocol(p string) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return corev1.Protocol(p)
}
