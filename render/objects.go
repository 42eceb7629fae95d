package render

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// revisionHistory is how many old ReplicaSets a Deployment keeps, as many as
// releases are remembered.
const revisionHistory = 10

func (s *service) meta() metav1.ObjectMeta {
	namespace := s.app.Namespace
	if namespace == "" {
		namespace = s.app.Name
	}
	return metav1.ObjectMeta{Name: s.Name, Namespace: namespace, Labels: s.labels()}
}

func (s *service) labels() map[string]string {
	labels := s.selector()
	labels[LabelManagedBy] = ManagedBy
	return labels
}

func (s *service) selector() map[string]string {
	return map[string]string{LabelName: s.Name, LabelPartOf: s.app.Name}
}

// serviceAccount is the service's own identity, which has no rights and no
// token in its pods.
func (s *service) serviceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   s.meta(),
		AutomountServiceAccountToken: ptr.To(false),
	}
}

// service points to container ports by name, so that a port's number may
// change in a rolling update while old pods still listen on the old one.
func (s *service) service() *corev1.Service {
	ports := make([]corev1.ServicePort, len(s.Ports))
	for i, p := range s.Ports {
		number := p.Service
		if number == 0 {
			number = p.Port
		}
		ports[i] = corev1.ServicePort{
			Name:       p.Name,
			Port:       number,
			TargetPort: intstr.FromString(p.Name),
			Protocol:   protocol(p.Protocol),
		}
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: s.selector(),
			Ports:    ports,
		},
	}
}

// deployment replaces pods one after the other, and removes none before
// another is ready in its place.
func (s *service) deployment() (*appsv1.Deployment, error) {
	pod, err := s.podSpec()
	if err != nil {
		return nil, err
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: s.meta(),
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(s.Replicas),
			RevisionHistoryLimit: ptr.To(int32(revisionHistory)),
			Selector:             &metav1.LabelSelector{MatchLabels: s.selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: ptr.To(intstr.FromInt32(0)),
					MaxSurge:       ptr.To(intstr.FromString("25%")), // rounded up: at least one
				},
			},
			MinReadySeconds: s.minReady(),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: s.labels()},
				Spec:       *pod,
			},
		},
	}, nil
}

// minReady is how long a pod must stay ready, in seconds, before it counts as
// available. Without a readiness probe a container is ready as soon as its
// process starts, so an old pod would make way for one that exits at once.
func (s *service) minReady() int32 {
	if s.Probes.Readiness == nil {
		return 3
	}
	return 0
}

func protocol(p string) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return corev1.Protocol(p)
}
