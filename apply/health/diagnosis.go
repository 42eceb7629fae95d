package health

import "fmt"

// Code is the cause of a failed rollout.
type Code string

const (
	CodeImagePull        Code = "ImagePull"
	CodeCrashLoop        Code = "CrashLoop"
	CodeOOMKilled        Code = "OOMKilled"
	CodeProbeFailing     Code = "ProbeFailing"
	CodeUnschedulable    Code = "Unschedulable"
	CodeQuotaExceeded    Code = "QuotaExceeded"
	CodeAdmissionDenied  Code = "AdmissionDenied"
	CodeConfigMissing    Code = "ConfigMissing"
	CodeVolumePending    Code = "VolumePending"
	CodeJobFailed        Code = "JobFailed"
	CodeDeadlineExceeded Code = "DeadlineExceeded"
	CodePaused           Code = "Paused"
)

// Diagnosis is why a unit is not healthy, collected before anything is undone.
type Diagnosis struct {
	Code      Code     `json:"code"`
	Unit      string   `json:"unit"`
	Object    Ref      `json:"object"` // the workload
	Pod       string   `json:"pod,omitempty"`
	Container string   `json:"container,omitempty"`
	ExitCode  *int32   `json:"exitCode,omitempty"` // of the container that exited
	Message   string   `json:"message"`            // one sentence, in Kubernetes' words where it has them
	Logs      []string `json:"logs,omitempty"`     // the last lines, of the previous container when it crashed
	Events    []string `json:"events,omitempty"`   // the pod's warnings, oldest first
	// Field is where to look, below the service: "image", "command", "env",
	// "env.NAME", "volumes.NAME", "probes.readiness", "resources",
	// "resources.memory", "security", "placement", "replicas"; "" when no field
	// is to blame.
	Field string `json:"field,omitempty"`
	Hint  string `json:"hint,omitempty"` // what to do about it
}

// String gives the cause in one line.
func (d *Diagnosis) String() string {
	where := d.Unit
	if d.Pod != "" {
		where += ", pod " + d.Pod
	}
	if d.Container != "" && d.Container != d.Unit {
		where += ", container " + d.Container
	}
	return fmt.Sprintf("%s: %s: %s", where, d.Code, d.Message)
}
