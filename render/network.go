package render

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shipit-dev/shipit/schema"
)

// network is how the service is reached, and whom it reaches: Services, policies
// and routes.
func (s *service) network() ([]any, error) {
	var objects []any
	if len(s.ServicePorts()) > 0 {
		objects = append(objects, s.mainService())
	}
	if s.Workload == schema.StatefulSet {
		objects = append(objects, s.headlessService())
	}
	for _, part := range []func() ([]any, error){s.policies, s.expose} {
		more, err := part()
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

func (s *service) mainService() *corev1.Service {
	given := s.Service.Service
	meta := s.meta(s.Name)
	meta.Annotations = given.Annotations
	spec := corev1.ServiceSpec{
		Type:                     corev1.ServiceType(cmp.Or(given.Type, schema.ClusterIP)),
		Selector:                 s.selector,
		Ports:                    s.servicePorts(),
		ExternalTrafficPolicy:    corev1.ServiceExternalTrafficPolicy(given.ExternalTrafficPolicy),
		SessionAffinity:          corev1.ServiceAffinity(given.SessionAffinity),
		LoadBalancerSourceRanges: given.LoadBalancerSourceRanges,
		PublishNotReadyAddresses: given.PublishNotReadyAddresses,
	}
	if given.Type == schema.Headless {
		spec.Type, spec.ClusterIP = corev1.ServiceTypeClusterIP, corev1.ClusterIPNone
	}
	optional(&spec.InternalTrafficPolicy, given.InternalTrafficPolicy)
	optional(&spec.TrafficDistribution, given.TrafficDistribution)
	optional(&spec.LoadBalancerClass, given.LoadBalancerClass)
	optional(&spec.IPFamilyPolicy, given.IPFamilyPolicy)
	return &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta, Spec: spec}
}

// optional sets what is given.
func optional[T ~string](to **T, given string) {
	if given != "" {
		value := T(given)
		*to = &value
	}
}

// headless is the name of the Service that gives each pod of a StatefulSet its
// own address.
func (s *service) headless() string { return s.Name + "-headless" }

// headlessService has addresses of pods that are not ready too: they look for
// each other while they start.
func (s *service) headlessService() *corev1.Service {
	ports := s.servicePorts()
	for i := range ports {
		ports[i].NodePort = 0
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(s.headless()),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 s.selector,
			Ports:                    ports,
		},
	}
}

// servicePorts point to container ports by name, so that a port's number may
// change in a rolling update while old pods still listen on the old one.
func (s *service) servicePorts() []corev1.ServicePort {
	given := sorted(s.ServicePorts(), func(p schema.Port) string { return p.Name })
	ports := make([]corev1.ServicePort, len(given))
	for i, p := range given {
		ports[i] = corev1.ServicePort{
			Name:       p.Name,
			Port:       servicePort(p),
			TargetPort: intstr.FromString(p.Name),
			NodePort:   p.Node,
			Protocol:   protocol(p.Protocol),
		}
		optional(&ports[i].AppProtocol, p.AppProtocol)
	}
	return ports
}

// servicePort is where the Service listens.
func servicePort(p schema.Port) int32 { return cmp.Or(p.Service, p.Port) }

// portNamed finds the port called name; no name means the only port, or the one
// called usual.
func portNamed(ports []schema.Port, name, usual string) (schema.Port, error) {
	if name == "" {
		name = usual
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
