package health

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func exited(code int32, reason string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}
}

func after(s corev1.ContainerStatus, restarts int32, t *corev1.ContainerStateTerminated) corev1.ContainerStatus {
	s.RestartCount, s.LastTerminationState.Terminated = restarts, t
	return s
}

func running(restarts int32, started bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", RestartCount: restarts, Started: &started, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func podOf(s corev1.ContainerStatus, container corev1.Container) *corev1.Pod {
	container.Name = "web"
	if container.Image == "" {
		container.Image = "reg.example.com/web@sha256:abc"
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "ns"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{s}},
	}
}

func probe(p corev1.Probe) *corev1.Probe {
	p.HTTPGet = &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)}
	return &p
}

func TestPodProblems(t *testing.T) {
	t.Parallel()
	const image = "reg.example.com/web@sha256:abc"
	notFound := `failed to pull and unpack image "` + image + `": failed to resolve reference "` + image + `": ` + image + `: not found`
	refused := `failed to pull and unpack image "` + image + `": failed to do request: Head "https://reg.example.com/v2/web": dial tcp 10.0.0.1:443: connect: connection refused`
	one := int32(1)
	zero := int32(0)
	tests := []struct {
		name    string
		pod     *corev1.Pod
		code    Code // "" when there is no problem
		field   string
		message string
		exit    *int32
		grace   time.Duration
	}{
		{name: "ready", pod: podOf(corev1.ContainerStatus{Name: "web", Ready: true}, corev1.Container{})},
		{
			name: "no such image", pod: podOf(waiting("ErrImagePull", notFound), corev1.Container{}),
			code: CodeImagePull, field: "image", message: "cannot pull " + image + ": not found",
		},
		{
			name: "back-off names its cause", pod: podOf(waiting("ImagePullBackOff", `Back-off pulling image "`+image+`": ErrImagePull: `+notFound), corev1.Container{}),
			code: CodeImagePull, field: "image", message: "cannot pull " + image + ": not found",
		},
		{
			name: "registry does not answer", pod: podOf(waiting("ErrImagePull", refused), corev1.Container{}),
			code: CodeImagePull, field: "image", grace: gracePull, message: "cannot pull " + image + `: dial tcp 10.0.0.1:443: connect: connection refused`,
		},
		{
			name: "invalid name", pod: podOf(waiting("InvalidImageName", "couldn't parse image name"), corev1.Container{}),
			code: CodeImagePull, field: "image", message: "cannot pull " + image + ": couldn't parse image name",
		},
		{
			name: "crash loop", pod: podOf(after(waiting("CrashLoopBackOff", "back-off 10s"), 1, exited(1, "Error")), corev1.Container{}),
			code: CodeCrashLoop, field: "command", exit: &one, message: "the process exited with code 1",
		},
		{name: "first exit may be chance", pod: podOf(corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: exited(1, "Error")}}, corev1.Container{})},
		{
			name: "second exit", pod: podOf(corev1.ContainerStatus{Name: "web", RestartCount: 1, State: corev1.ContainerState{Terminated: exited(1, "Error")}}, corev1.Container{}),
			code: CodeCrashLoop, field: "command", exit: &one, message: "the process exited with code 1",
		},
		{
			name: "done, not failed", pod: podOf(after(waiting("CrashLoopBackOff", ""), 1, exited(0, "Completed")), corev1.Container{}),
			code: CodeCrashLoop, field: "command", exit: &zero, message: "the process ended by itself (exit code 0); a service must keep running",
		},
		{
			name: "out of memory", pod: podOf(after(waiting("CrashLoopBackOff", ""), 1, exited(137, "OOMKilled")), corev1.Container{}),
			code: CodeOOMKilled, field: "resources.memory", exit: ptr.To(int32(137)), message: "the container used more memory than its limit",
		},
		{
			name: "no such command",
			pod: podOf(after(waiting("CrashLoopBackOff", ""), 1, &corev1.ContainerStateTerminated{
				ExitCode: 128, Reason: "StartError",
				Message: `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory: unknown`,
			}), corev1.Container{}),
			code: CodeCrashLoop, field: "command", exit: ptr.To(int32(128)), message: `the container cannot be started: "/nope": stat /nope: no such file or directory`,
		},
		{
			name: "a missing ConfigMap", pod: podOf(waiting("CreateContainerConfigError", `configmap "app" not found`), corev1.Container{}),
			code: CodeConfigMissing, field: "env", message: `configmap "app" not found`,
		},
		{
			name: "root is not allowed", pod: podOf(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), corev1.Container{}),
			code: CodeAdmissionDenied, field: "security", message: "container has runAsNonRoot and image will run as root",
		},
		{
			name: "the kubelet's cache is late", pod: podOf(waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"), corev1.Container{}),
			code: CodeConfigMissing, field: "env", grace: GraceRetry, message: "failed to sync secret cache: timed out waiting for the condition",
		},
		{
			name: "a kubelet that has just started", pod: podOf(waiting("CreateContainerConfigError", "services have not yet been read at least once, cannot construct envvars"), corev1.Container{}),
			code: CodeConfigMissing, grace: GraceRetry, message: "services have not yet been read at least once, cannot construct envvars",
		},
		{
			name: "a slow runtime", pod: podOf(waiting("CreateContainerError", "context deadline exceeded"), corev1.Container{}),
			code: CodeDeadlineExceeded, grace: GraceRetry, message: "the container cannot be created: context deadline exceeded",
		},
		{
			name: "a runtime that does not start it", pod: podOf(waiting("RunContainerError", "context deadline exceeded"), corev1.Container{}),
			code: CodeCrashLoop, field: "command", grace: GraceRetry, message: "context deadline exceeded",
		},
		{
			name: "nothing to run", pod: podOf(waiting("CreateContainerError", `failed to create containerd container: failed to generate container "x" spec: failed to generate spec: no command specified`), corev1.Container{}),
			code: CodeCrashLoop, field: "command", message: "neither the image nor the service names a command",
		},
		{
			name: "starting", pod: podOf(waiting("ContainerCreating", ""), corev1.Container{}),
			code: CodeDeadlineExceeded, grace: graceStart, message: "the container was not started",
		},
		{
			name: "not ready", pod: podOf(running(0, true), corev1.Container{ReadinessProbe: probe(corev1.Probe{PeriodSeconds: 1})}),
			code: CodeProbeFailing, field: "probes.readiness", grace: graceAnswer, message: "the container runs and its readiness probe does not pass",
		},
		{
			name: "not started, by a probe of few seconds", pod: podOf(running(0, false), corev1.Container{StartupProbe: probe(corev1.Probe{PeriodSeconds: 1})}),
			code: CodeProbeFailing, field: "probes.startup", grace: graceAnswer, message: "the container runs and its startup probe does not pass",
		},
		{
			name: "not started", pod: podOf(running(0, false), corev1.Container{StartupProbe: probe(corev1.Probe{PeriodSeconds: 5, FailureThreshold: 6}), ReadinessProbe: probe(corev1.Probe{})}),
			code: CodeProbeFailing, field: "probes.startup", grace: graceAnswer, message: "the container runs and its startup probe does not pass",
		},
		{name: "running, no probe", pod: podOf(running(0, true), corev1.Container{})},
		{
			name: "unschedulable",
			pod: &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
				Message: "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
			}}}},
			code: CodeUnschedulable, field: "resources.cpu", grace: graceAsk, message: "0/1 nodes are available: 1 Insufficient cpu",
		},
		{name: "going away", pod: func() *corev1.Pod {
			p := podOf(waiting("CrashLoopBackOff", ""), corev1.Container{})
			p.DeletionTimestamp = &metav1.Time{}
			return p
		}()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := podProblems(tt.pod)
			if tt.code == "" {
				if len(got) != 0 {
					t.Fatalf("got %+v, want no problem", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("got %d problems, want 1: %+v", len(got), got)
			}
			p := got[0]
			if p.Code != tt.code || p.Field != tt.field || p.Message != tt.message || p.Grace != tt.grace {
				t.Errorf("got %s %q %q after %s\nwant %s %q %q after %s", p.Code, p.Field, p.Message, p.Grace, tt.code, tt.field, tt.message, tt.grace)
			}
			if (p.ExitCode == nil) != (tt.exit == nil) || tt.exit != nil && *p.ExitCode != *tt.exit {
				t.Errorf("exit code %v, want %v", p.ExitCode, tt.exit)
			}
		})
	}
}

func TestRefineByEvents(t *testing.T) {
	t.Parallel()
	event := func(reason, message string) corev1.Event {
		return corev1.Event{
			Type: corev1.EventTypeWarning, Reason: reason, Message: message,
			InvolvedObject: corev1.ObjectReference{FieldPath: "spec.containers{web}"},
		}
	}
	tests := []struct {
		name    string
		d       Diagnosis
		events  []corev1.Event
		want    Diagnosis
		certain bool
	}{
		{
			name:    "readiness in the kubelet's words",
			d:       Diagnosis{Code: CodeProbeFailing, Container: "web", Field: "probes.readiness", Message: "x"},
			events:  []corev1.Event{event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")},
			want:    Diagnosis{Code: CodeProbeFailing, Field: "probes.readiness", Message: "readiness probe: HTTP probe failed with statuscode: 503 (for 21s)"},
			certain: true,
		},
		{
			name:    "a crash that was the liveness probe",
			d:       Diagnosis{Code: CodeCrashLoop, Container: "web", Field: "command", Message: "the process exited with code 143"},
			events:  []corev1.Event{event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.1:80: connection refused"), event("Killing", "Container web failed liveness probe, will be restarted")},
			want:    Diagnosis{Code: CodeProbeFailing, Field: "probes.liveness", Message: "the liveness probe failed, so the kubelet restarted the container: dial tcp 10.0.0.1:80: connection refused"},
			certain: true,
		},
		{
			name:    "a mounted ConfigMap is missing",
			d:       Diagnosis{Code: CodeDeadlineExceeded},
			events:  []corev1.Event{event("FailedMount", `MountVolume.SetUp failed for volume "c" : configmap "c" not found`)},
			want:    Diagnosis{Code: CodeConfigMissing, Field: "volumes.c", Message: `MountVolume.SetUp failed for volume "c" : configmap "c" not found`},
			certain: true,
		},
		{
			name:   "still pulling",
			d:      Diagnosis{Code: CodeDeadlineExceeded},
			events: []corev1.Event{event("Pulling", "Pulling image")},
			want:   Diagnosis{Code: CodeImagePull, Field: "image", Message: "the image is still being pulled"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.d
			certain := RefineByEvents(&d, tt.events, 21*time.Second)
			if d.Code != tt.want.Code || d.Field != tt.want.Field || d.Message != tt.want.Message || certain != tt.certain {
				t.Errorf("got %s %q %q certain=%v\nwant %s %q %q certain=%v", d.Code, d.Field, d.Message, certain, tt.want.Code, tt.want.Field, tt.want.Message, tt.certain)
			}
		})
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	deployment := func(generation, observed int64, ready, updated int) string {
		return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ns, generation: %d}
spec: {replicas: 2, progressDeadlineSeconds: 600}
status:
  observedGeneration: %d
  replicas: 2
  updatedReplicas: %d
  readyReplicas: %d
  availableReplicas: %d
  conditions:
  - {type: Available, status: "True"}
  - {type: Progressing, status: "True", reason: NewReplicaSetAvailable}
`, generation, observed, updated, ready, ready)
	}
	tests := []struct {
		name          string
		object        string
		generation    int64
		healthy, seen bool
	}{
		{"rolled out", deployment(2, 2, 2, 2), 2, true, true},
		{"the watch has not caught up", deployment(1, 1, 2, 2), 2, false, false},
		{"the controller has not", deployment(2, 1, 2, 2), 2, false, false},
		{"not updated", deployment(2, 2, 2, 1), 2, false, true},
		{"not ready", deployment(2, 2, 1, 2), 2, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := parse(t, tt.object)
			if v := Evaluate(&Workload{Object: o}, tt.generation); v.Healthy != tt.healthy || v.seen != tt.seen {
				t.Errorf("got healthy %v, seen %v (%s)", v.Healthy, v.seen, v.Message)
			}
		})
	}
	t.Run("quota", func(t *testing.T) {
		t.Parallel()
		o := parse(t, deployment(2, 2, 0, 0))
		rs := &appsv1.ReplicaSet{Status: appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
			Message: `pods "web-1-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`,
		}}}}
		v := Evaluate(&Workload{Object: o, replicaSet: rs}, 2)
		if len(v.Problems) != 1 || v.Problems[0].Code != CodeQuotaExceeded || v.Problems[0].Message != "exceeded quota q: one more pod needs pods 1, and 0 of 2 are left" {
			t.Errorf("problems %+v", v.Problems)
		}
	})
}

// A broken pod of an earlier revision holds a StatefulSet with ordered pods, and
// no other; a Job is healthy when it is complete.
func TestEvaluateOtherKinds(t *testing.T) {
	t.Parallel()
	broken := podOf(after(waiting("CrashLoopBackOff", ""), 1, exited(3, "Error")), corev1.Container{})
	set := func(policy string) *Workload {
		return &Workload{all: []*corev1.Pod{broken}, Object: parse(t, `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: ns, generation: 2}
spec: {replicas: 1, podManagementPolicy: `+policy+`}
status: {observedGeneration: 2, replicas: 1, updateRevision: b, currentRevision: a}
`)}
	}
	if v := Evaluate(set("OrderedReady"), 2); v.Healthy || len(v.Problems) != 1 || v.Problems[0].Code != CodeCrashLoop || v.Problems[0].Pod != "web-1" || v.Problems[0].Grace != graceStuck {
		t.Errorf("a pod that is in the way: %+v", v)
	}
	if v := Evaluate(set("Parallel"), 2); v.Healthy || len(v.Problems) != 0 {
		t.Errorf("a pod that is replaced: %+v", v)
	}
	job := func(status string) *Workload {
		return &Workload{Object: parse(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, generation: 1}\nspec: {backoffLimit: 2}\nstatus: "+status)}
	}
	if v := Evaluate(job("{startTime: x, active: 1, failed: 1}"), 1); v.Healthy || v.Message != "attempt 1 of 3 failed" {
		t.Errorf("a Job on its second attempt: %+v", v)
	}
	if v := Evaluate(job(`{startTime: x, succeeded: 1, conditions: [{type: Complete, status: "True"}]}`), 1); !v.Healthy {
		t.Errorf("a Job that is done: %+v", v)
	}
	for status, failed := range map[string]bool{
		"{startTime: x, active: 1}":            false,
		"{startTime: x, active: 1, failed: 1}": false,
		`{startTime: x, failed: 3, conditions: [{type: Failed, status: "True", message: it failed}]}`: true,
	} {
		if got := JobFailed(job(status).Object); got != failed {
			t.Errorf("a Job of %s: failed %v", status, got)
		}
	}
	minReady := parse(t, "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, generation: 1}\nspec: {replicas: 1, minReadySeconds: 5}\nstatus: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1, availableReplicas: 0, updateRevision: a, currentRevision: a}")
	if v := Evaluate(&Workload{Object: minReady}, 1); v.Healthy {
		t.Errorf("ready, and not yet for long enough: %+v", v)
	}
}

// parse reads an object with its status, as the server gives it.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return o
}

// A pod of an earlier release whose probe fails keeps a StatefulSet from updating:
// that is told, and no probe of this release is blamed for it.
func TestStuckProbeIsDiagnosed(t *testing.T) {
	t.Parallel()
	d := Diagnosis{Code: CodeProbeFailing, Container: "db", Message: "the pod is of an earlier release and not ready"}
	events := []corev1.Event{{Reason: "Unhealthy", Message: "Readiness probe failed: refused"}}
	want := d.Message
	if certain := RefineByEvents(&d, events, time.Minute); !certain || d.Field != "" || d.Message != want {
		t.Errorf("certain %v, %+v", certain, d)
	}
}
