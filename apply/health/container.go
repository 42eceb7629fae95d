package health

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// containerProblem judges one container by its status alone.
func containerProblem(p *corev1.Pod, c corev1.Container, s corev1.ContainerStatus) (Problem, bool) {
	if s.Ready || p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && exitedLast(s) {
		return Problem{}, false // the Job says when it is not tried again
	}
	if w := s.State.Waiting; w != nil {
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
			return imagePull(c, w), true
		case "CreateContainerConfigError", "CreateContainerError":
			return containerConfig(w), true
		case "CrashLoopBackOff", "RunContainerError":
			return crash(s), true
		case "ContainerCreating", "PodInitializing":
			return Problem{
				Key: "starting", Grace: graceStart, Unsure: true,
				Diagnosis: Diagnosis{Code: CodeDeadlineExceeded, Message: "the container was not started"},
			}, true
		}
		return Problem{}, false
	}
	if t := s.State.Terminated; t != nil {
		if s.RestartCount > 0 && t.ExitCode != 0 && !chance(t) {
			return crash(s), true
		}
		return Problem{}, false
	}
	if s.State.Running == nil {
		return Problem{}, false
	}
	if p.Spec.RestartPolicy != corev1.RestartPolicyOnFailure && restarts(s) {
		return crash(s), true
	}
	started := s.Started != nil && *s.Started
	d := Diagnosis{Code: CodeProbeFailing}
	key := fmt.Sprintf("running/%d", s.RestartCount)
	if c.StartupProbe != nil && !started {
		d.Field, d.Message = "probes.startup", "the container runs and its startup probe does not pass"
		return probing(key, d, c.StartupProbe, startupBudget(c.StartupProbe)), true
	}
	if c.ReadinessProbe != nil {
		d.Field, d.Message = "probes.readiness", "the container runs and its readiness probe does not pass"
		return probing(key+"/started", d, c.ReadinessProbe, readinessBudget(c.ReadinessProbe)), true
	}
	return Problem{}, false
}

// probing is a probe that does not pass: what it is answered tells whether it will.
func probing(key string, d Diagnosis, p *corev1.Probe, patience time.Duration) Problem {
	ask := time.Duration(p.InitialDelaySeconds)*time.Second + graceAnswer
	return Problem{Key: key, Diagnosis: d, Grace: min(ask, patience), Slow: true, Unsure: true, patience: patience}
}

// exitedLast reports whether the container is to run again after a process of it
// ended.
func exitedLast(s corev1.ContainerStatus) bool {
	t := s.State.Terminated
	if w := s.State.Waiting; w != nil && w.Reason == "CrashLoopBackOff" {
		t = s.LastTerminationState.Terminated
	}
	return t != nil && !neverStarted(t)
}

// neverStarted reports whether there was no process at all.
func neverStarted(t *corev1.ContainerStateTerminated) bool {
	return t.Reason == "StartError" || t.Reason == "ContainerCannotRun"
}

// chance reports whether an end tells nothing of the next run: the node lost the
// container, as it does when it starts again, or it had run for so long that the
// kubelet forgot the runs before
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
func chance(t *corev1.ContainerStateTerminated) bool {
	return t.Reason == "ContainerStatusUnknown" || t.Reason == "Unknown" ||
		!neverStarted(t) && t.FinishedAt.Sub(t.StartedAt.Time) >= forgotten
}

// restarts reports whether a container ended twice of late. The kubelet may start it
// anew so soon that nobody sees it ended, or waiting.
func restarts(s corev1.ContainerStatus) bool {
	t := s.LastTerminationState.Terminated
	return s.RestartCount >= 2 && t != nil && !chance(t) && time.Since(t.FinishedAt.Time) < forgotten
}

// forgotten is the time after which the kubelet no longer counts that a container ended.
const forgotten = 10 * time.Minute

// containerConfig judges what keeps the kubelet from making a container. Much of
// it passes: its cache was not filled in time, the runtime did not answer.
func containerConfig(w *corev1.ContainerStateWaiting) Problem {
	d := Diagnosis{Code: CodeConfigMissing, Message: w.Message}
	pr := Problem{Key: "config", Grace: GraceRetry}
	text := w.Message
	switch {
	case strings.Contains(text, "runAsNonRoot") || strings.Contains(text, "non-root"):
		pr.Grace = 0
		d.Code, d.Field = CodeAdmissionDenied, "security"
		d.Hint = "run it as another user with security: runAsUser: 65532 (or the number of the image's own), or let it be root with security: runAsNonRoot: false"
	case strings.Contains(text, "no command specified"):
		pr.Grace = 0
		d.Code, d.Field = CodeCrashLoop, "command"
		d.Message, d.Hint = "neither the image nor the service names a command", "name one under command"
	case keyMissing.MatchString(text) || objectMissing.MatchString(text):
		pr.Grace, pr.Unsure = 0, true // it may be there by now
		d.Field = "env"
	case strings.Contains(text, "configmap") || strings.Contains(text, "secret"):
		d.Field = "env"
	case w.Reason == "CreateContainerError":
		d.Code = CodeDeadlineExceeded
		d.Message = "the container cannot be created: " + text
	}
	pr.Diagnosis = d
	return pr
}

// crash says how the container's last run ended.
func crash(s corev1.ContainerStatus) Problem {
	d := Diagnosis{Code: CodeCrashLoop, Field: "command"}
	t := s.State.Terminated
	if t == nil {
		t = s.LastTerminationState.Terminated
	}
	if t == nil {
		if s.State.Waiting != nil {
			d.Message = s.State.Waiting.Message
		}
		return Problem{Key: "crash", Diagnosis: d, Grace: GraceRetry} // the runtime may have been slow
	}
	code := t.ExitCode
	d.ExitCode = &code
	switch {
	case t.Reason == "OOMKilled":
		d.Code, d.Field = CodeOOMKilled, "resources.memory"
		d.Message = "the container used more memory than its limit"
		d.Hint = "raise resources.memory"
	case neverStarted(t):
		d.Message = "the container cannot be started: " + startError(t.Message)
		if !wrongStart.MatchString(t.Message) {
			return Problem{Key: "crash", Diagnosis: d, Grace: GraceRetry}
		}
	case code == 0:
		d.Message = "the process ended by itself (exit code 0); a service must keep running"
	default:
		d.Message = fmt.Sprintf("the process exited with code %d", code)
	}
	return Problem{Key: "crash", Diagnosis: d}
}

// wrongStart is how runtimes word what the next start will not change: of the
// command, its folder, or what is mounted. All else may be the runtime's own.
var wrongStart = regexp.MustCompile(`exec: "|exec format error|executable file|chdir to cwd|error mounting|permission denied|not a directory|is a directory`)

// startError takes runc's reason out of the runtime's chain.
func startError(message string) string {
	if _, rest, ok := strings.Cut(message, "unable to start container process: "); ok {
		message = rest
	}
	if i := strings.LastIndex(message, `exec: "`); i >= 0 {
		message = message[i+len("exec: "):]
	}
	return strings.TrimSuffix(message, ": unknown")
}

// ContainerStatus is that of the container, or init container, of the name; nil when
// the kubelet has not told of it.
func ContainerStatus(p *corev1.Pod, name string) *corev1.ContainerStatus {
	if s := statusOf(p.Status.ContainerStatuses, name); s != nil {
		return s
	}
	return statusOf(p.Status.InitContainerStatuses, name)
}
