package render

import (
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// probes sets those that a container has.
func (s *service) probes(at string, given schema.Container, c *corev1.Container) error {
	for _, p := range []struct {
		name  string
		probe *schema.Probe
		to    **corev1.Probe
	}{
		{"startup", given.Probes.Startup, &c.StartupProbe},
		{"readiness", given.Probes.Readiness, &c.ReadinessProbe},
		{"liveness", given.Probes.Liveness, &c.LivenessProbe},
	} {
		if p.probe == nil {
			continue
		}
		probe, err := probe(p.probe, given.Ports)
		if err != nil {
			return s.wrong(at+"probes."+p.name, err)
		}
		if p.name == "readiness" && probe.PeriodSeconds == 0 && probe.FailureThreshold == 0 {
			probe.PeriodSeconds, probe.FailureThreshold = readinessPeriod, readinessThreshold
		}
		*p.to = probe
	}
	return nil
}

// How a readiness probe asks whose CUE says neither: known early to be healthy or
// broken, and out of traffic after as long as by Kubernetes' defaults (10 s × 3).
const (
	readinessPeriod    = 2
	readinessThreshold = 15
)

// probe asks one of a container's own ports. gRPC alone knows no names of ports;
// its empty service is written out, as the server would.
func probe(p *schema.Probe, ports []schema.Port) (*corev1.Probe, error) {
	probe := &corev1.Probe{
		InitialDelaySeconds: p.InitialDelaySeconds,
		PeriodSeconds:       p.PeriodSeconds,
		TimeoutSeconds:      p.TimeoutSeconds,
		SuccessThreshold:    p.SuccessThreshold,
		FailureThreshold:    p.FailureThreshold,
	}
	switch {
	case p.HTTP != nil:
		get, err := httpGet(p.HTTP, ports)
		if err != nil {
			return nil, err
		}
		probe.HTTPGet = get
	case p.TCP != nil:
		port, err := portNamed(ports, p.TCP.Port, "http")
		if err != nil {
			return nil, err
		}
		probe.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromString(port.Name)}
	case p.GRPC != nil:
		port, err := portNamed(ports, p.GRPC.Port, "grpc")
		if err != nil {
			return nil, err
		}
		probe.GRPC = &corev1.GRPCAction{Port: port.Port, Service: ptr.To(p.GRPC.Service)}
	case len(p.Exec) > 0:
		probe.Exec = &corev1.ExecAction{Command: p.Exec}
	default:
		return nil, errors.New("it asks for nothing: none of http, tcp, grpc and exec is set")
	}
	return probe, nil
}

func httpGet(p *schema.HTTPProbe, ports []schema.Port) (*corev1.HTTPGetAction, error) {
	port, err := portNamed(ports, p.Port, "http")
	if err != nil {
		return nil, err
	}
	get := &corev1.HTTPGetAction{Path: p.Path, Port: intstr.FromString(port.Name), Scheme: corev1.URIScheme(p.Scheme)}
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		get.HTTPHeaders = append(get.HTTPHeaders, corev1.HTTPHeader{Name: name, Value: p.Headers[name]})
	}
	return get, nil
}
