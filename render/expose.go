package render

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// expose gives an Ingress or an HTTPRoute for each.
func (s *service) expose() ([]any, error) {
	var objects []any
	for _, e := range s.Expose {
		routes, err := s.routes(e)
		if err != nil {
			return nil, err
		}
		switch {
		case e.Gateway != nil:
			objects = append(objects, s.httpRoute(e, routes))
		case e.Redirect != nil:
			return nil, s.wrong("expose."+e.Name+".redirect", errors.New("an Ingress has no word for it"))
		default:
			objects = append(objects, s.ingress(e, routes))
		}
	}
	return objects, nil
}

// routes are those of e in order, with their backends' ports found.
func (s *service) routes(e schema.Expose) ([]schema.Route, error) {
	routes := e.Routes
	if len(routes) == 0 {
		routes = []schema.Route{{Path: e.Path}}
	}
	routes = slices.SortedStableFunc(slices.Values(routes), func(a, b schema.Route) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	for i, r := range routes {
		if e.Redirect != nil {
			routes[i].Backends = nil
			continue
		}
		backends := sorted(r.Backends, func(b schema.Backend) string { return b.Service })
		if len(backends) == 0 {
			backends = []schema.Backend{{Service: s.Name, Port: e.Port}}
		}
		routes[i].Backends = make([]schema.Backend, len(backends))
		for j, b := range backends {
			port, err := s.backendPort(b)
			if err != nil {
				return nil, s.wrong("expose."+e.Name, err)
			}
			b.Port, b.Number = port.Name, cmp.Or(b.Number, servicePort(port))
			if len(backends) == 1 {
				b.Weight = 1
			}
			routes[i].Backends[j] = b
		}
	}
	return routes, nil
}

// backendPort is the port of a service that answers. One that is not in the app,
// which is then a part of one, is taken at its word.
func (s *service) backendPort(b schema.Backend) (schema.Port, error) {
	backend := s.callees[b.Service]
	if backend == nil && b.Port != "" {
		return schema.Port{Name: b.Port, Service: b.Number}, nil
	}
	if backend == nil {
		return schema.Port{}, errors.New("it names no port")
	}
	return portNamed(backend.ServicePorts(), b.Port, "http")
}

// exposedPorts are those of a service that answers for what this one exposes.
func (s *service) exposedPorts(backend string) (policyPorts, error) {
	var ports policyPorts
	for _, e := range s.Expose {
		routes, err := s.routes(e)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			for _, b := range r.Backends {
				if b.Service != backend {
					continue
				}
				port, err := s.backendPort(b)
				if err != nil {
					return nil, s.wrong("expose."+e.Name, err)
				}
				ports = append(ports, policyPort(port))
			}
		}
	}
	return namedPorts(ports), nil
}

// backendPolicies let requests through to the other services that answer for what
// this one exposes.
func (s *service) backendPolicies() ([]any, error) {
	others := map[string]bool{}
	for _, e := range s.Expose {
		for _, r := range e.Routes {
			for _, b := range r.Backends {
				others[b.Service] = b.Service != s.Name && e.Redirect == nil
			}
		}
	}
	var objects []any
	for _, other := range slices.Sorted(maps.Keys(others)) {
		if !others[other] {
			continue
		}
		ports, err := s.exposedPorts(other)
		if err != nil {
			return nil, err
		}
		rule := ingressRule{From: peers(s.app.Network.Ingress), Ports: ports}
		objects = append(objects, s.policy(s.Name+"-exposes-"+other, s.podsOf(other), []ingressRule{rule}, nil))
	}
	return objects, nil
}

func (s *service) ingress(e schema.Expose, routes []schema.Route) *networkingv1.Ingress {
	paths := make([]networkingv1.HTTPIngressPath, len(routes))
	for i, r := range routes {
		paths[i] = networkingv1.HTTPIngressPath{
			Path:     cmp.Or(r.Path, "/"),
			PathType: ptr.To(networkingv1.PathTypePrefix),
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: r.Backends[0].Service,
				Port: networkingv1.ServiceBackendPort{Name: r.Backends[0].Port},
			}},
		}
		if r.Exact {
			paths[i].PathType = ptr.To(networkingv1.PathTypeExact)
		}
	}
	spec := networkingv1.IngressSpec{
		Rules: []networkingv1.IngressRule{{
			Host:             e.Host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}},
		}},
	}
	if e.Class != "" {
		spec.IngressClassName = &e.Class
	}
	if e.TLS != "" || e.DefaultTLS {
		spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{e.Host}, SecretName: e.TLS}}
	}
	meta := s.meta(s.Name + "-" + e.Name)
	meta.Annotations = e.Annotations
	return &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: meta,
		Spec:       spec,
	}
}
