package render

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shipit-dev/shipit/schema"
)

// probes sets those that the service has.
func (s *service) probes(c *corev1.Container) error {
	for _, p := range []struct {
		name  string
		probe *schema.Probe
		to    **corev1.Probe
	}{
		{"startup", s.Probes.Startup, &c.StartupProbe},
		{"readiness", s.Probes.Readiness, &c.ReadinessProbe},
		{"liveness", s.Probes.Liveness, &c.LivenessProbe},
	} {
		if p.probe == nil {
			continue
		}
		probe, err := s.probe(p.probe)
		if err != nil {
			return s.wrong("probes."+p.name, err)
		}
		*p.to = probe
	}
	return nil
}

func (s *service) probe(p *schema.Probe) (*corev1.Probe, error) {
	probe := &corev1.Probe{
		InitialDelaySeconds: p.InitialDelaySeconds,
		PeriodSeconds:       p.PeriodSeconds,
		TimeoutSeconds:      p.TimeoutSeconds,
		SuccessThreshold:    p.SuccessThreshold,
		FailureThreshold:    p.FailureThreshold,
	}
	switch {
	case p.HTTP != nil:
		get, err := s.httpGet(p.HTTP)
		if err != nil {
			return nil, err
		}
		probe.HTTPGet = get
	case p.TCP != nil:
		port, err := portNamed(s.Ports, p.TCP.Port)
		if err != nil {
			return nil, err
		}
		probe.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromString(port.Name)}
	case len(p.Exec) > 0:
		probe.Exec = &corev1.ExecAction{Command: p.Exec}
	default:
		return nil, errors.New("it asks for nothing: none of http, tcp and exec is set")
	}
	return probe, nil
}

func (s *service) httpGet(p *schema.HTTPProbe) (*corev1.HTTPGetAction, error) {
	port, err := portNamed(s.Ports, p.Port)
	if err != nil {
		return nil, err
	}
	return &corev1.HTTPGetAction{Path: p.Path, Port: intstr.FromString(port.Name), Scheme: corev1.URIScheme(p.Scheme)}, nil
}
