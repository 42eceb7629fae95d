package render

import (
	"cmp"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

const (
	// revisionHistory is how many old revisions of its pods a workload keeps, as
	// many as releases are remembered.
	revisionHistory = 10
	// progressDeadline is Kubernetes' own, after which it calls a Deployment failed.
	progressDeadline = 600
	// longest is how long the name of a StatefulSet or a CronJob, and that of a Job
	// before its hash, may be. All are labels of their pods, of at most 63
	// characters: the first two with a hash or a time of 10 digits added by their
	// controllers.
	longest = 63 - 1 - hashDigits
)

// workload is what runs the service's pods.
func (s *service) workload() ([]any, error) {
	template, err := s.podTemplate()
	if err != nil {
		return nil, err
	}
	var object any
	switch s.kind() {
	case schema.Deployment:
		object = s.deployment(template)
	case schema.StatefulSet:
		object, err = s.statefulSet(template)
	case schema.DaemonSet:
		object = s.daemonSet(template)
	case schema.Job:
		object, err = s.job(template)
	case schema.CronJob:
		object, err = s.cronJob(template)
	default:
		err = s.wrong("workload", fmt.Errorf("there is no %q", s.Workload))
	}
	return []any{object}, err
}

// ends reports whether the service's pods run to their end.
func (s *service) ends() bool { return s.Workload == schema.Job || s.Workload == schema.CronJob }

func (s *service) deployment(template corev1.PodTemplateSpec) *appsv1.Deployment {
	spec := appsv1.DeploymentSpec{
		Replicas:             ptr.To(s.Replicas),
		RevisionHistoryLimit: s.revisions(),
		Selector:             &metav1.LabelSelector{MatchLabels: s.selector},
		Strategy:             s.strategy(),
		MinReadySeconds:      s.minReady(),
		Template:             template,
	}
	// A longer wait is of no use when Kubernetes gives up before.
	if s.Rollout.DeadlineSeconds > progressDeadline {
		spec.ProgressDeadlineSeconds = ptr.To(s.Rollout.DeadlineSeconds)
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: s.workloadMeta(),
		Spec:       spec,
	}
}

// strategy replaces pods one after the other, and removes none before another is
// ready in its place; but a pod that needs its predecessor's claim comes after it.
func (s *service) strategy() appsv1.DeploymentStrategy {
	kind := appsv1.DeploymentStrategyType(s.Rollout.Strategy)
	if kind == "" && s.isTiedToANode() {
		kind = appsv1.RecreateDeploymentStrategyType
	}
	if kind == appsv1.RecreateDeploymentStrategyType {
		return appsv1.DeploymentStrategy{Type: kind}
	}
	return appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxUnavailable: count(cmp.Or(s.Rollout.MaxUnavailable, "0")),
			MaxSurge:       count(cmp.Or(s.Rollout.MaxSurge, "25%")), // rounded up: at least one
		},
	}
}

// count is a number, or a percentage.
func count(text string) *intstr.IntOrString { return ptr.To(intstr.Parse(text)) }

func (s *service) revisions() *int32 {
	if s.Rollout.RevisionHistoryLimit != nil {
		return s.Rollout.RevisionHistoryLimit
	}
	return ptr.To(int32(revisionHistory))
}

// minReady is how long a pod must stay ready, in seconds, before it counts as
// available. Without a readiness probe a container is ready as soon as its
// process starts, so an old pod would make way for one that exits at once.
func (s *service) minReady() int32 {
	if s.Rollout.MinReadySeconds == 0 && s.Probes.Readiness == nil {
		return 3
	}
	return s.Rollout.MinReadySeconds
}

// statefulSet keeps its claims when it goes, or has fewer pods: what is on them
// is the user's to delete.
func (s *service) statefulSet(template corev1.PodTemplateSpec) (*appsv1.StatefulSet, error) {
	if err := s.short(); err != nil {
		return nil, err
	}
	claims, err := s.claimTemplates()
	if err != nil {
		return nil, err
	}
	set := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: s.workloadMeta(),
		Spec: appsv1.StatefulSetSpec{
			ServiceName:          s.headless(),
			Replicas:             ptr.To(s.Replicas),
			RevisionHistoryLimit: s.revisions(),
			Selector:             &metav1.LabelSelector{MatchLabels: s.selector},
			PodManagementPolicy:  appsv1.PodManagementPolicyType(s.Rollout.PodManagementPolicy),
			MinReadySeconds:      s.minReady(),
			Template:             template,
			VolumeClaimTemplates: claims,
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
		},
	}
	update := &set.Spec.UpdateStrategy
	update.Type = appsv1.StatefulSetUpdateStrategyType(s.Rollout.Strategy)
	if s.Rollout.MaxUnavailable != "" || s.Rollout.Partition != nil {
		update.Type = appsv1.RollingUpdateStatefulSetStrategyType
		update.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: s.Rollout.Partition}
	}
	if s.Rollout.MaxUnavailable != "" {
		update.RollingUpdate.MaxUnavailable = count(s.Rollout.MaxUnavailable)
	}
	return set, nil
}

// short refuses a name that would not fit into a label of its pods.
func (s *service) short() error {
	if len(s.Name) > longest {
		return &FieldError{Path: "services." + s.Name, Err: fmt.Errorf("the name of a %s has at most %d characters", s.kind(), longest)}
	}
	return nil
}

// daemonSet replaces the pod of one node after the other. One that may have two
// pods on a node has the new one ready before the old one goes.
func (s *service) daemonSet(template corev1.PodTemplateSpec) *appsv1.DaemonSet {
	update := appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
	if s.Rollout.Strategy != string(update.Type) {
		update.Type = appsv1.RollingUpdateDaemonSetStrategyType
		surge := cmp.Or(s.Rollout.MaxSurge, "0")
		away := "1"
		if *count(surge) != *count("0") && *count(surge) != *count("0%") {
			away = "0"
		}
		update.RollingUpdate = &appsv1.RollingUpdateDaemonSet{
			MaxUnavailable: count(cmp.Or(s.Rollout.MaxUnavailable, away)),
			MaxSurge:       count(surge),
		}
	}
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: s.workloadMeta(),
		Spec: appsv1.DaemonSetSpec{
			RevisionHistoryLimit: s.revisions(),
			Selector:             &metav1.LabelSelector{MatchLabels: s.selector},
			UpdateStrategy:       update,
			MinReadySeconds:      s.minReady(),
			Template:             template,
		},
	}
}
