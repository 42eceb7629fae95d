package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// longest is how long the name of a StatefulSet, and that of a Job before its
	// hash, may be. Both are labels of their pods, of at most 63 characters: the
	// first with a hash of 10 digits added by its controller.
	longest = 63 - 1 - hashDigits
)

// workload is what runs the service's pods.
func (s *service) workload() (*unstructured.Unstructured, error) {
	pod, err := s.podSpec()
	if err != nil {
		return nil, err
	}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: s.labels}, Spec: *pod}
	switch s.Workload {
	case "", schema.Deployment:
		return convert(s.deployment(template))
	case schema.StatefulSet:
		return s.statefulSet(template)
	case schema.Job:
		return s.job(template)
	}
	return nil, s.wrong("workload", fmt.Errorf("there is no %q", s.Workload))
}

func (s *service) deployment(template corev1.PodTemplateSpec) *appsv1.Deployment {
	spec := appsv1.DeploymentSpec{
		Replicas:             ptr.To(s.Replicas),
		RevisionHistoryLimit: ptr.To(int32(revisionHistory)),
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
		ObjectMeta: s.meta(s.Name),
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
func (s *service) statefulSet(template corev1.PodTemplateSpec) (*unstructured.Unstructured, error) {
	if len(s.Name) > longest {
		return nil, &FieldError{Path: "services." + s.Name, Err: fmt.Errorf("the name of a StatefulSet has at most %d characters", longest)}
	}
	claims, err := s.claimTemplates()
	if err != nil {
		return nil, err
	}
	set := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: s.meta(s.Name),
		Spec: appsv1.StatefulSetSpec{
			ServiceName:          s.headless(),
			Replicas:             ptr.To(s.Replicas),
			RevisionHistoryLimit: ptr.To(int32(revisionHistory)),
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
	if s.Rollout.MaxUnavailable != "" {
		set.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{
			Type:          appsv1.RollingUpdateStatefulSetStrategyType,
			RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{MaxUnavailable: count(s.Rollout.MaxUnavailable)},
		}
	}
	return convert(set)
}

// job is named by what it runs: a Job cannot be changed, so a change is another.
func (s *service) job(template corev1.PodTemplateSpec) (*unstructured.Unstructured, error) {
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	o, err := convert(&batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: s.meta(""),
		Spec:       batchv1.JobSpec{BackoffLimit: s.Rollout.BackoffLimit, Template: template},
	})
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(o.Object["spec"]) // sorted by key
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spec)
	name := s.Name[:min(len(s.Name), longest)] // what is cut off is in the hash too
	o.SetName(name + "-" + hex.EncodeToString(sum[:])[:hashDigits])
	return o, nil
}
