package render

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// nonRoot is the group that may write claims when the user names none: the
// number that distroless images gave to nonroot, and that images built by shipit
// run as.
const nonRoot = 65532

// podSpec meets the restricted Pod Security Standard
// (https://kubernetes.io/docs/concepts/security/pod-security-standards) unless
// the service's security says otherwise.
func (s *service) podSpec() (*corev1.PodSpec, error) {
	volumes, mounts, err := s.volumes()
	if err != nil {
		return nil, err
	}
	container, err := s.container()
	if err != nil {
		return nil, err
	}
	container.VolumeMounts = mounts
	pod := &corev1.PodSpec{
		ServiceAccountName:            s.Name,
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(s.grace()),
		SecurityContext:               s.podSecurity(),
		Containers:                    []corev1.Container{*container},
		Volumes:                       volumes,
	}
	for _, name := range slices.Compact(slices.Clone(s.Pull)) {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return pod, nil
}

// podSecurity gives a pod with claims a group that owns what is on them, as a
// new volume belongs to root. It is only set where it is not yet, which else
// takes long on a volume with many files.
func (s *service) podSecurity() *corev1.PodSecurityContext {
	c := &corev1.PodSecurityContext{
		RunAsNonRoot:   ptr.To(!s.Security.AllowRoot),
		RunAsUser:      s.Security.RunAsUser,
		RunAsGroup:     s.Security.RunAsGroup,
		FSGroup:        s.Security.FSGroup,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if !s.hasClaims() {
		return c
	}
	if c.FSGroup == nil {
		c.FSGroup = s.Security.RunAsGroup
	}
	if c.FSGroup == nil {
		c.FSGroup = ptr.To(int64(nonRoot))
	}
	c.FSGroupChangePolicy = ptr.To(corev1.FSGroupChangeOnRootMismatch)
	return c
}

func (s *service) container() (*corev1.Container, error) {
	resources, err := s.resources()
	if err != nil {
		return nil, err
	}
	env, err := s.env()
	if err != nil {
		return nil, err
	}
	lifecycle, err := s.lifecycle()
	if err != nil {
		return nil, err
	}
	c := &corev1.Container{
		Name:            s.Name,
		Image:           s.image,
		Command:         s.Command,
		Args:            s.Args,
		Env:             env,
		Lifecycle:       lifecycle,
		Resources:       resources,
		SecurityContext: s.securityContext(),
	}
	for _, p := range s.Ports {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Port, Protocol: protocol(p.Protocol)})
	}
	return c, s.probes(c)
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
