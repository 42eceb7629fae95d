package render

import (
	"cmp"
	"reflect"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// tasks are the Jobs that belong to a deploy of the service: see AnnotationPhase.
func (s *service) tasks() ([]any, error) {
	var objects []any
	for _, phase := range []struct {
		name  string
		tasks []schema.Task
	}{{PhaseBefore, s.Before}, {PhaseAfter, s.After}} {
		for _, t := range phase.tasks {
			job, err := s.task(phase.name, t)
			if err != nil {
				return nil, err
			}
			objects = append(objects, job)
		}
	}
	return objects, nil
}

func (s *service) task(phase string, t schema.Task) (*unstructured.Unstructured, error) {
	path := "jobs." + phase + "." + t.Name
	c, err := s.taskContainer(path, t)
	if err != nil {
		return nil, err
	}
	mounted := slices.DeleteFunc(slices.Clone(s.Volumes), func(v schema.Volume) bool {
		return !slices.ContainsFunc(c.Mounts, func(m schema.Mount) bool { return m.Volume == v.Name })
	})
	m := s.newMounter(mounted)
	container, err := s.container(path, c, m)
	if err != nil {
		return nil, err
	}
	volumes, err := s.podVolumes(m)
	if err != nil {
		return nil, err
	}
	pod := s.basePod(c.Security, true)
	pod.RestartPolicy = corev1.RestartPolicyNever
	pod.Containers, pod.Volumes = []corev1.Container{*container}, volumes
	meta := s.meta(s.Name + "-" + t.Name)
	meta.Labels = s.taskLabels(t.Name)
	labels := s.taskLabels(t.Name)
	meta.Labels[LabelName] = s.Name
	meta.Annotations = map[string]string{AnnotationPhase: phase, AnnotationRun: cmp.Or(t.RunOn, schema.OnChange)}
	spec := batchv1.JobSpec{
		BackoffLimit: ptr.To(t.BackoffLimit),
		Template:     corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: *pod},
	}
	if t.DeadlineSeconds > 0 {
		spec.ActiveDeadlineSeconds = ptr.To(int64(t.DeadlineSeconds))
	}
	return s.hashedJob(&batchv1.Job{ObjectMeta: meta, Spec: spec}, phase)
}

// taskContainer is a task's. schema has given it what it does not say from its
// service, and so the service's image is the one that the service's pods run.
func (s *service) taskContainer(path string, t schema.Task) (schema.Container, error) {
	c := t.Container
	if s.images[s.Name+"."+path] == "" && c.Image == s.Image && reflect.DeepEqual(c.Build, s.Build) {
		image, err := s.imageOf("", s.Container())
		if err != nil {
			return c, err
		}
		c.Image = image
	}
	return c, nil
}
