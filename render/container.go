package render

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// imageOf gives the reference that a container runs. Its path is that in the
// service, "" for the service's own.
func (s *service) imageOf(path string, c schema.Container) (string, error) {
	key := s.Name
	if path != "" {
		key += "." + path
	}
	if image := s.images[key]; image != "" {
		return image, nil
	}
	if c.Image != "" {
		return c.Image, nil
	}
	return "", &MissingImageError{Service: s.Name, Container: path}
}

// mainContainer is the service's own.
func (s *service) mainContainer(m *mounter) (*corev1.Container, error) {
	main := s.Container()
	c, err := s.container("", main, m)
	if err != nil {
		return nil, err
	}
	if c.Lifecycle, err = s.lifecycle(); err != nil {
		return nil, err
	}
	return c, nil
}

// initContainers are those that run before the others, and then the sidecars: a
// sidecar is an init container that goes on
// (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers).
func (s *service) initContainers(m *mounter) ([]corev1.Container, error) {
	var containers []corev1.Container
	add := func(path string, given schema.Container, policy *corev1.ContainerRestartPolicy) error {
		c, err := s.container(path, given, m)
		if err != nil {
			return err
		}
		c.RestartPolicy = policy
		s.ownUser(c, given.Security)
		containers = append(containers, *c)
		return nil
	}
	for _, c := range s.Init {
		if err := add("init."+c.Name, c, nil); err != nil {
			return nil, err
		}
	}
	for _, c := range s.Sidecars {
		if err := add("sidecars."+c.Name, c, ptr.To(corev1.ContainerRestartPolicyAlways)); err != nil {
			return nil, err
		}
	}
	return containers, nil
}

// ownUser says of a container beside the service's what the pod says otherwise,
// or would be the service's own business.
func (s *service) ownUser(c *corev1.Container, security schema.Security) {
	c.SecurityContext.RunAsUser, c.SecurityContext.RunAsGroup = security.RunAsUser, security.RunAsGroup
	if security.AllowRoot != s.Security.AllowRoot {
		c.SecurityContext.RunAsNonRoot = ptr.To(!security.AllowRoot)
	}
	if profile := seccomp(security.Seccomp); !reflect.DeepEqual(profile, seccomp(s.Security.Seccomp)) {
		c.SecurityContext.SeccompProfile = profile
	}
}

// container is one of a pod. Its path is that in the service, "" for the
// service's own.
func (s *service) container(path string, given schema.Container, m *mounter) (*corev1.Container, error) {
	at := ""
	if path != "" {
		at = path + "."
	}
	image, err := s.imageOf(path, given)
	if err != nil {
		return nil, err
	}
	resources, err := s.resources(at, given.Resources)
	if err != nil {
		return nil, err
	}
	env, from, err := s.env(at, given)
	if err != nil {
		return nil, err
	}
	mounts, err := m.mount(at, given)
	if err != nil {
		return nil, err
	}
	c := &corev1.Container{
		Name:            given.Name,
		Image:           image,
		Command:         given.Command,
		Args:            given.Args,
		WorkingDir:      given.Workdir,
		Env:             env,
		EnvFrom:         from,
		Resources:       resources,
		SecurityContext: securityContext(given.Security),
		VolumeMounts:    mounts,
	}
	for _, p := range sorted(given.Ports, func(p schema.Port) string { return p.Name }) {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Port, HostPort: p.Host, Protocol: protocol(p.Protocol)})
	}
	return c, s.probes(at, given, c)
}

// securityContext is what a container says of itself. The kernel gives all
// privileges to one that is privileged, which is therefore not kept from them.
func securityContext(security schema.Security) *corev1.SecurityContext {
	capabilities := &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	for _, add := range slices.Compact(slices.Sorted(slices.Values(security.AddCapabilities))) {
		capabilities.Add = append(capabilities.Add, corev1.Capability(add))
	}
	c := &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(security.AllowPrivilegeEscalation || security.Privileged),
		ReadOnlyRootFilesystem:   ptr.To(!security.WritableRoot),
		Capabilities:             capabilities,
	}
	if security.Privileged {
		c.Privileged = ptr.To(true)
	}
	return c
}
