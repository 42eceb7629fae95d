package render

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

const (
	// drainSeconds is how long a pod that serves goes on serving after it was
	// told to end: the time that its removal from the endpoints takes to reach
	// every node and proxy. Without it a rolling update drops requests
	// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).
	drainSeconds = 3
	// graceSeconds is Kubernetes' default, and includes drainSeconds.
	graceSeconds = 30
)

// podSpec meets the restricted Pod Security Standard
// (https://kubernetes.io/docs/concepts/security/pod-security-standards) unless
// the service's security says otherwise.
func (s *service) podSpec() (*corev1.PodSpec, error) {
	container, err := s.container()
	if err != nil {
		return nil, err
	}
	pod := &corev1.PodSpec{
		ServiceAccountName:            s.Name,
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(int64(graceSeconds)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   ptr.To(!s.Security.AllowRoot),
			RunAsUser:      s.Security.RunAsUser,
			RunAsGroup:     s.Security.RunAsGroup,
			FSGroup:        s.Security.FSGroup,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{*container},
	}
	if !s.Security.WritableRoot {
		pod.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	return pod, nil
}

func (s *service) container() (*corev1.Container, error) {
	resources, err := s.resources()
	if err != nil {
		return nil, err
	}
	c := &corev1.Container{
		Name:            s.Name,
		Image:           s.image,
		Command:         s.Command,
		Args:            s.Args,
		Resources:       resources,
		SecurityContext: s.securityContext(),
	}
	for _, e := range s.Env {
		c.Env = append(c.Env, corev1.EnvVar{Name: e.Name, Value: e.Value})
	}
	for _, p := range s.Ports {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Port, Protocol: protocol(p.Protocol)})
	}
	if len(s.Ports) > 0 {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: drainSeconds}}}
	}
	if !s.Security.WritableRoot {
		c.VolumeMounts = []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}}
	}
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
		if *p.to, err = s.probe(p.probe); err != nil {
			return nil, &FieldError{Path: "services." + s.Name + ".probes." + p.name, Err: err}
		}
	}
	return c, nil
}

func (s *service) securityContext() *corev1.SecurityContext {
	capabilities := &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	for _, add := range slices.Compact(slices.Sorted(slices.Values(s.Security.AddCapabilities))) {
		capabilities.Add = append(capabilities.Add, corev1.Capability(add))
	}
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(s.Security.AllowPrivilegeEscalation),
		ReadOnlyRootFilesystem:   ptr.To(!s.Security.WritableRoot),
		Capabilities:             capabilities,
	}
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
		port, err := s.probePort(p.HTTP.Port)
		if err != nil {
			return nil, err
		}
		probe.HTTPGet = &corev1.HTTPGetAction{Path: p.HTTP.Path, Port: port, Scheme: corev1.URIScheme(p.HTTP.Scheme)}
	case p.TCP != nil:
		port, err := s.probePort(p.TCP.Port)
		if err != nil {
			return nil, err
		}
		probe.TCPSocket = &corev1.TCPSocketAction{Port: port}
	case len(p.Exec) > 0:
		probe.Exec = &corev1.ExecAction{Command: p.Exec}
	default:
		return nil, fmt.Errorf("it asks for nothing: none of http, tcp and exec is set")
	}
	return probe, nil
}

// probePort gives the port called name; no name means the only port, or the
// one called http.
func (s *service) probePort(name string) (intstr.IntOrString, error) {
	if name == "" {
		name = "http"
		if len(s.Ports) == 1 {
			name = s.Ports[0].Name
		}
	}
	if !slices.ContainsFunc(s.Ports, func(p schema.Port) bool { return p.Name == name }) {
		return intstr.IntOrString{}, fmt.Errorf("the service has no port %q", name)
	}
	return intstr.FromString(name), nil
}

// resources gives a memory limit equal to the request, so that a pod which
// outgrows it is the one to end and not its neighbour, and no CPU limit, which
// would slow a pod down on an idle node. Extended resources cannot be
// overcommitted: their limit always equals their request.
func (s *service) resources() (corev1.ResourceRequirements, error) {
	requests, err := s.quantities("requests", s.Resources.Requests)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	limits, err := s.quantities("limits", s.Resources.Limits)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	for name, quantity := range requests {
		_, given := limits[name]
		whole := name == corev1.ResourceMemory || strings.Contains(string(name), "/") || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
		if whole && !given {
			limits[name] = quantity
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}, nil
}

func (s *service) quantities(kind string, written map[string]string) (corev1.ResourceList, error) {
	list := corev1.ResourceList{}
	for name, value := range written {
		q, err := resource.ParseQuantity(value)
		if err != nil {
			path := "services." + s.Name + ".resources." + name
			if kind == "limits" {
				path = "services." + s.Name + ".resources.limits." + name
			}
			return nil, &FieldError{Path: path, Err: err}
		}
		list[corev1.ResourceName(name)] = q
	}
	return list, nil
}
