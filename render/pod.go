package render

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// nonRoot is the group that may write claims when the user names none: the
// number that distroless images gave to nonroot, and that images built by shipit
// run as.
const nonRoot = 65532

// podTemplate is what the workload makes its pods of.
func (s *service) podTemplate() (corev1.PodTemplateSpec, error) {
	pod, err := s.podSpec()
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	scrape, err := s.scrapeAnnotations()
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	annotations := s.annotations()
	maps.Copy(annotations, scrape)
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: s.labels, Annotations: annotations}, Spec: *pod}, nil
}

// podSpec meets the restricted Pod Security Standard
// (https://kubernetes.io/docs/concepts/security/pod-security-standards) unless
// the service's security says otherwise.
func (s *service) podSpec() (*corev1.PodSpec, error) {
	m := s.newMounter(s.Volumes)
	main, err := s.mainContainer(m)
	if err != nil {
		return nil, err
	}
	init, err := s.initContainers(m)
	if err != nil {
		return nil, err
	}
	if len(init) > 0 {
		// What is said of the pod holds for each container that does not say it: the
		// user of one is none of the others' business.
		main.SecurityContext.RunAsUser, main.SecurityContext.RunAsGroup = s.Security.RunAsUser, s.Security.RunAsGroup
	}
	volumes, err := s.podVolumes(m)
	if err != nil {
		return nil, err
	}
	pod := s.basePod(s.Security, len(init) == 0)
	pod.TerminationGracePeriodSeconds = ptr.To(s.grace())
	pod.InitContainers = init
	pod.Containers = []corev1.Container{*main}
	pod.Volumes = volumes
	s.place(pod)
	return pod, nil
}

// basePod has what the pods of the workload and those of its tasks share.
func (s *service) basePod(security schema.Security, oneUser bool) *corev1.PodSpec {
	pod := &corev1.PodSpec{
		ServiceAccountName:           s.Name,
		AutomountServiceAccountToken: ptr.To(len(s.Permissions) > 0),
		EnableServiceLinks:           ptr.To(false),
		SecurityContext:              s.podSecurity(security, oneUser),
		HostNetwork:                  security.HostNetwork,
		HostPID:                      security.HostPID,
		HostIPC:                      security.HostIPC,
		NodeSelector:                 s.Placement.Nodes,
		PriorityClassName:            s.Placement.Priority,
		Tolerations:                  s.tolerations(),
	}
	if security.HostNetwork { // else the names of services would not be known there
		pod.DNSPolicy = corev1.DNSClusterFirstWithHostNet
	}
	for _, name := range slices.Compact(slices.Clone(s.Pull)) {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return pod
}

// podSecurity gives a pod with claims a group that owns what is on them, as a
// new volume belongs to root. It is only set where it is not yet, which else
// takes long on a volume with many files.
func (s *service) podSecurity(security schema.Security, oneUser bool) *corev1.PodSecurityContext {
	c := &corev1.PodSecurityContext{
		RunAsNonRoot:       ptr.To(!security.AllowRoot),
		FSGroup:            security.FSGroup,
		SupplementalGroups: security.SupplementalGroups,
		SeccompProfile:     seccomp(security.Seccomp),
	}
	if oneUser {
		c.RunAsUser, c.RunAsGroup = security.RunAsUser, security.RunAsGroup
	}
	if security.FSGroupChangePolicy != "" {
		c.FSGroupChangePolicy = ptr.To(corev1.PodFSGroupChangePolicy(security.FSGroupChangePolicy))
	}
	if !s.hasClaims() {
		return c
	}
	if c.FSGroup == nil {
		c.FSGroup = security.RunAsGroup
	}
	if c.FSGroup == nil {
		c.FSGroup = ptr.To(int64(nonRoot))
	}
	if c.FSGroupChangePolicy == nil {
		c.FSGroupChangePolicy = ptr.To(corev1.FSGroupChangeOnRootMismatch)
	}
	return c
}

// seccomp is RuntimeDefault, unless it is said otherwise.
func seccomp(profile string) *corev1.SeccompProfile {
	if file, ok := strings.CutPrefix(profile, "localhost/"); ok {
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &file}
	}
	if profile == "" {
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	return &corev1.SeccompProfile{Type: corev1.SeccompProfileType(profile)}
}

// annotations are those of the workload and its pods; never nil, and the caller's.
func (s *service) annotations() map[string]string {
	all := make(map[string]string, len(s.app.Annotations)+len(s.Annotations))
	maps.Copy(all, s.app.Annotations)
	maps.Copy(all, s.Annotations)
	return all
}

// scrapeAnnotations tell a Prometheus without its operator where the metrics are.
func (s *service) scrapeAnnotations() (map[string]string, error) {
	if s.Monitor == nil || s.app.Monitoring == schema.Operator {
		return nil, nil
	}
	port, err := s.monitorPort()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"prometheus.io/scrape": "true",
		"prometheus.io/port":   strconv.Itoa(int(port.Port)),
		"prometheus.io/path":   s.monitorPath(),
	}, nil
}

// taskLabels are those of a task's pods: of the app, but not of the service's
// own pods.
func (s *service) taskLabels(task string) map[string]string {
	labels := maps.Clone(s.labels)
	delete(labels, LabelName)
	labels[LabelTaskOf], labels[LabelTask] = s.Name, task
	return labels
}
