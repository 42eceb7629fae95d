package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// jobSpec is that of the service's own runs, as a Job or a CronJob.
func (s *service) jobSpec(template corev1.PodTemplateSpec) batchv1.JobSpec {
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	spec := batchv1.JobSpec{
		BackoffLimit:            s.Rollout.BackoffLimit,
		Parallelism:             s.Rollout.Parallelism,
		Completions:             s.Rollout.Completions,
		TTLSecondsAfterFinished: s.Rollout.TTLSecondsAfterFinished,
		Template:                template,
	}
	if s.Rollout.Indexed {
		spec.CompletionMode = ptr.To(batchv1.IndexedCompletion)
	}
	return spec
}

func (s *service) job(template corev1.PodTemplateSpec) (*unstructured.Unstructured, error) {
	return s.hashedJob(&batchv1.Job{ObjectMeta: s.workloadMeta(), Spec: s.jobSpec(template)})
}

// hashedJob is named by what it runs, after its own name: a Job cannot be
// changed, so a change is another.
func (s *service) hashedJob(job *batchv1.Job, more ...string) (*unstructured.Unstructured, error) {
	job.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	o, err := s.finish(job)
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(o.Object["spec"]) // sorted by key
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, _ = h.Write(spec)
	if len(more) > 0 {
		write(h, more...)
	}
	// What is cut off is in the hash too: the pods have it as labels.
	o.SetName(hashedName(strings.TrimRight(o.GetName()[:min(len(o.GetName()), longest)], "-"), h))
	return o, nil
}

// cronJob has a deadline for each run, as no deploy waits for one.
func (s *service) cronJob(template corev1.PodTemplateSpec) (*batchv1.CronJob, error) {
	if err := s.short(); err != nil {
		return nil, err
	}
	if s.Schedule == nil {
		return nil, s.wrong("schedule", errors.New("a CronJob needs one"))
	}
	spec := s.jobSpec(template)
	if s.Rollout.DeadlineSeconds > 0 {
		spec.ActiveDeadlineSeconds = ptr.To(int64(s.Rollout.DeadlineSeconds))
	}
	job := &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: s.workloadMeta(),
		Spec: batchv1.CronJobSpec{
			Schedule:                   s.Schedule.Cron,
			ConcurrencyPolicy:          batchv1.ConcurrencyPolicy(cmp.Or(s.Schedule.ConcurrencyPolicy, string(batchv1.ForbidConcurrent))),
			Suspend:                    ptr.To(s.Schedule.Suspend),
			StartingDeadlineSeconds:    s.Schedule.StartingDeadlineSeconds,
			SuccessfulJobsHistoryLimit: s.Schedule.SuccessfulJobsHistoryLimit,
			FailedJobsHistoryLimit:     s.Schedule.FailedJobsHistoryLimit,
			JobTemplate:                batchv1.JobTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: s.labels}, Spec: spec},
		},
	}
	if s.Schedule.TimeZone != "" {
		job.Spec.TimeZone = &s.Schedule.TimeZone
	}
	return job, nil
}
