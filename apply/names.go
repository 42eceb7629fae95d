package apply

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// What package health says is in results and events, under names of this package.
type (
	// Code is the cause of a failed rollout.
	Code = health.Code
	// Diagnosis is why a unit is not healthy, collected before anything is undone.
	Diagnosis = health.Diagnosis
	// Pods counts the pods of a unit's workloads.
	Pods = health.Pods
	// Ref names an object.
	Ref = health.Ref
)

const (
	CodeImagePull        = health.CodeImagePull
	CodeCrashLoop        = health.CodeCrashLoop
	CodeOOMKilled        = health.CodeOOMKilled
	CodeProbeFailing     = health.CodeProbeFailing
	CodeUnschedulable    = health.CodeUnschedulable
	CodeQuotaExceeded    = health.CodeQuotaExceeded
	CodeAdmissionDenied  = health.CodeAdmissionDenied
	CodeConfigMissing    = health.CodeConfigMissing
	CodeVolumePending    = health.CodeVolumePending
	CodeJobFailed        = health.CodeJobFailed
	CodeDeadlineExceeded = health.CodeDeadlineExceeded
	CodePaused           = health.CodePaused

	// Of objects that the API server did not take.
	CodeConflict  Code = "Conflict"
	CodeForbidden Code = "Forbidden"
	CodeImmutable Code = "Immutable"
	// CodeInvalid: the object is not valid by the API server's own rules.
	CodeInvalid Code = "Invalid"
	// CodeUnauthorized: the credentials are not, or no longer, accepted.
	CodeUnauthorized Code = "Unauthorized"
	// CodeTerminating: the namespace is being deleted.
	CodeTerminating Code = "Terminating"
	// CodeServerError: the API server could not do it, which says nothing of the object.
	CodeServerError Code = "ServerError"
	// Of what was deployed, and somebody deleted.
	CodeGone Code = "Gone"
)

func refOf(o *unstructured.Unstructured) Ref { return health.RefOf(o) }
