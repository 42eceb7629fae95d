package health

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a registry, a name server or a runtime says in a bad moment ends no wait at
// once, whatever words it takes; what no other try changes does.
func TestPullsThatMayPass(t *testing.T) {
	t.Parallel()
	const image = "reg.example.com/denied/not-found@sha256:abc" // names may have any word
	resolve := `failed to pull and unpack image "` + image + `": failed to resolve reference "` + image + `": `
	head := `unexpected status from HEAD request to https://reg.example.com/v2/denied/not-found/manifests/sha256:abc: `
	tests := []struct {
		name, reason, message string
		grace                 time.Duration
		sure                  bool
	}{
		{"no such image", "ErrImagePull", resolve + image + ": not found", 0, true},
		{"no such image, CRI-O", "ErrImagePull", "reading manifest v1 in " + image + ": manifest unknown", 0, true},
		{"no such image, backing off", "ImagePullBackOff", `Back-off pulling image "` + image + `": ErrImagePull: ` + resolve + image + ": not found", 0, true},
		{"no such platform", "ErrImagePull", "no match for platform in manifest: not found", 0, true},
		{"no credentials", "ErrImagePull", resolve + head + "401 Unauthorized", 0, false},
		{"no right", "ErrImagePull", resolve + head + "403 Forbidden", 0, false},
		{"no right, in words", "ErrImagePull", resolve + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", 0, false},
		{"a name that is not resolved", "ErrImagePull", resolve + `failed to do request: Head "https://denied.example.com/v2/": dial tcp: lookup denied.example.com on 10.96.0.10:53: no such host`, gracePull, false},
		{"a name server that fails", "ErrImagePull", resolve + `dial tcp: lookup reg.example.com: Temporary failure in name resolution`, gracePull, false},
		{"refused", "ErrImagePull", resolve + `failed to do request: Head "https://reg.example.com/v2/forbidden": dial tcp 10.0.0.1:443: connect: connection refused`, gracePull, false},
		{"too many requests", "ErrImagePull", resolve + head + "429 Too Many Requests", gracePull, false},
		{"unavailable", "ErrImagePull", resolve + head + "503 Service Unavailable", gracePull, false},
		{"no credentials for now", "ErrImagePull", resolve + "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example.com/token: 502 Bad Gateway", gracePull, false},
		{"cut off", "ErrImagePull", `failed to pull and unpack image: failed to copy: httpReadSeeker: failed open: unexpected EOF`, gracePull, false},
		{"slow", "ErrImagePull", `rpc error: code = DeadlineExceeded desc = context deadline exceeded`, gracePull, false},
		{"a layer that the runtime cleaned up", "ErrImagePull", `failed to prepare extraction snapshot "extract-1 sha256:1": parent snapshot sha256:2 does not exist: not found`, gracePull, false},
		{"contents that the runtime cleaned up", "ErrImagePull", `failed to get reader from content store: content digest sha256:1: not found`, gracePull, false},
		{"no inspection", "ImageInspectError", `Failed to inspect image "x": rpc error: code = Unknown desc = not found`, gracePull, false},
		{"RegistryUnavailable", "RegistryUnavailable", `image pull failed because the registry is unavailable: not found`, gracePull, false},
		{"the kubelet's own pace", "ErrImagePull", "pull QPS exceeded", never, false},
		{"an invalid name", "InvalidImageName", "couldn't parse image name", 0, true},
	}
	for _, tt := range tests {
		pr := imagePull(corev1.Container{Image: image}, &corev1.ContainerStateWaiting{Reason: tt.reason, Message: tt.message})
		if pr.Code != CodeImagePull || pr.Grace != tt.grace || pr.Unsure == tt.sure {
			t.Errorf("%s: after %s, unsure %v: %s", tt.name, pr.Grace, pr.Unsure, pr.Message)
		}
	}
}

// at is an event of so many seconds after the first.
func at(seconds int, reason, message string) corev1.Event {
	when := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
	return corev1.Event{Reason: reason, Message: message, Type: corev1.EventTypeWarning, LastTimestamp: metav1.NewTime(when)}
}

func TestPullUnderWay(t *testing.T) {
	t.Parallel()
	failed := at(1, "Failed", `Failed to pull image "x": 503 Service Unavailable`)
	without := at(0, "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (team); attempting to pull the image may not succeed.")
	tests := []struct {
		name    string
		events  []corev1.Event
		lasted  time.Duration
		certain bool
	}{
		{"failed", []corev1.Event{at(0, "Pulling", ""), failed, at(2, "BackOff", "Back-off pulling image")}, gracePull, true},
		{"tried again", []corev1.Event{failed, at(2, "BackOff", "Back-off pulling image"), at(11, "Pulling", "")}, gracePull, false},
		{"no events", nil, gracePull, true},
		{"asked without the Secret", []corev1.Event{without, at(0, "Pulling", ""), failed}, time.Second, false},
		{"again and again", []corev1.Event{without, at(0, "Pulling", ""), failed}, gracePull, true},
	}
	for _, tt := range tests {
		d := Diagnosis{Code: CodeImagePull, Container: "web"}
		if certain := RefineByEvents(&d, tt.events, tt.lasted); certain != tt.certain {
			t.Errorf("%s: certain %v", tt.name, certain)
		}
	}
}

// A volume that could not be mounted at first, and was then, is no cause.
func TestMountThatPassed(t *testing.T) {
	t.Parallel()
	mount := at(0, "FailedMount", `MountVolume.SetUp failed for volume "kube-api-access-x" : configmap "kube-root-ca.crt" not found`)
	for name, after := range map[string][]corev1.Event{
		"pulling": {at(1, "Pulling", "")},
		"created": {at(1, "Pulled", ""), at(1, "Created", "")},
	} {
		d := Diagnosis{Code: CodeDeadlineExceeded, Message: "the container was not started"}
		if certain := RefineByEvents(&d, append([]corev1.Event{mount}, after...), time.Minute); certain || d.Code == CodeConfigMissing {
			t.Errorf("%s: certain %v, %+v", name, certain, d)
		}
	}
	d := Diagnosis{Code: CodeDeadlineExceeded}
	if certain := RefineByEvents(&d, []corev1.Event{mount}, time.Minute); !certain || d.Code != CodeConfigMissing {
		t.Errorf("certain %v, %+v", certain, d)
	}
}

// A container that ended is not always one that crashes.
func TestEndsThatMayPass(t *testing.T) {
	t.Parallel()
	start := func(message string) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: message}
	}
	terminated := func(restarts int32, s *corev1.ContainerStateTerminated) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "web", RestartCount: restarts, State: corev1.ContainerState{Terminated: s}}
	}
	long := exited(1, "Error")
	long.StartedAt, long.FinishedAt = metav1.Unix(1000, 0), metav1.Unix(1000+700, 0)
	loop := after(waiting("CrashLoopBackOff", ""), 2, exited(1, "Error"))
	tests := []struct {
		name   string
		status corev1.ContainerStatus
		policy corev1.RestartPolicy
		phase  corev1.PodPhase
		code   Code
		grace  time.Duration
	}{
		{name: "a crash", status: terminated(1, exited(1, "Error")), code: CodeCrashLoop},
		{name: "the node started again", status: terminated(1, exited(137, "ContainerStatusUnknown"))},
		{name: "the runtime started again", status: terminated(4, exited(255, "Unknown"))},
		{name: "after running for long", status: terminated(1, long)},
		{name: "evicted", status: terminated(1, exited(137, "Error")), phase: corev1.PodFailed},
		{name: "a Job's, with attempts left", status: loop, policy: corev1.RestartPolicyOnFailure},
		{name: "a service's", status: loop, policy: corev1.RestartPolicyAlways, code: CodeCrashLoop},
		{name: "a Job's that cannot be started", status: after(waiting("CrashLoopBackOff", ""), 1, start(`exec: "/nope": stat /nope: no such file or directory: unknown`)), policy: corev1.RestartPolicyOnFailure, code: CodeCrashLoop},
		{name: "no such folder", status: after(waiting("RunContainerError", "…"), 0, start(`chdir to cwd ("/x") set in config.json failed: no such file or directory`)), code: CodeCrashLoop},
		{name: "a slow runtime", status: after(waiting("RunContainerError", "…"), 0, start(`failed to create containerd task: failed to create shim task: context deadline exceeded`)), code: CodeCrashLoop, grace: GraceRetry},
		{name: "no memory for now", status: after(waiting("CrashLoopBackOff", "…"), 1, start(`unable to start container process: waiting for init preliminary setup: read init-p: connection reset by peer: unknown`)), code: CodeCrashLoop, grace: GraceRetry},
	}
	for _, tt := range tests {
		p := podOf(tt.status, corev1.Container{})
		p.Spec.RestartPolicy, p.Status.Phase = tt.policy, tt.phase
		var got Problem
		if found := podProblems(p); len(found) > 0 {
			got = found[0]
		}
		if got.Code != tt.code || got.Grace != tt.grace {
			t.Errorf("%s: %s after %s", tt.name, got.Code, got.Grace)
		}
	}
}

// A pod that its node ended is replaced: it is told at the deadline, and does not
// bring it about.
func TestEvictedIsReplaced(t *testing.T) {
	t.Parallel()
	pod := podOf(corev1.ContainerStatus{Name: "web", RestartCount: 1, State: corev1.ContainerState{Terminated: exited(137, "ContainerStatusUnknown")}}, corev1.Container{})
	pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory. "
	w := &Workload{Pods: []*corev1.Pod{pod}, Object: parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ns, generation: 1}
spec: {replicas: 1}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, unavailableReplicas: 1}
`)}
	v := Evaluate(w, 1)
	if len(v.Problems) != 1 || v.Problems[0].Grace != never || v.Problems[0].Message != "a pod was ended by its node: Evicted: The node was low on resource: memory." {
		t.Errorf("problems %+v", v.Problems)
	}
	next := podOf(waiting("ErrImagePull", "not found"), corev1.Container{})
	next.Name = "web-2"
	w.Pods = append(w.Pods, next)
	if v := Evaluate(w, 1); len(v.Problems) != 2 || v.Problems[0].Code != CodeImagePull {
		t.Errorf("with its successor: %+v", v.Problems)
	}
}

// An earlier pod of a StatefulSet that is about to be ready is not in the way yet.
func TestStuckMayPass(t *testing.T) {
	t.Parallel()
	set := parse(t, "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: ns, generation: 2}\nspec: {replicas: 1}\nstatus: {observedGeneration: 2, replicas: 1, updateRevision: b, currentRevision: a}")
	readiness := corev1.Container{ReadinessProbe: probe(corev1.Probe{PeriodSeconds: 10})}
	lost := after(running(1, true), 1, exited(255, "Unknown"))
	tests := []struct {
		name   string
		pod    *corev1.Pod
		grace  time.Duration
		unsure bool
	}{
		{"crashes", podOf(after(waiting("CrashLoopBackOff", ""), 1, exited(3, "Error")), corev1.Container{}), graceStuck, false},
		{"crashed, and runs", podOf(after(running(1, true), 1, exited(3, "Error")), readiness), graceStuck, false},
		{"not ready", podOf(running(0, true), readiness), readinessBudget(readiness.ReadinessProbe), false},
		{"lost with its node", podOf(lost, readiness), readinessBudget(readiness.ReadinessProbe), false},
		{"starting", podOf(waiting("ContainerCreating", ""), corev1.Container{}), graceStuck, true},
		{"no more is known", podOf(running(0, true), corev1.Container{}), graceSchedule, false},
	}
	for _, tt := range tests {
		got := stuck(&Workload{Object: set, all: []*corev1.Pod{tt.pod}})
		if len(got) != 1 || got[0].Grace != tt.grace || got[0].Unsure != tt.unsure {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// Who refuses a pod for good is believed within seconds, who cannot say is asked
// again.
func TestDenialsThatMayPass(t *testing.T) {
	t.Parallel()
	forbidden := `pods "web-1-x" is forbidden: `
	tests := []struct {
		name, message string
		code          Code
		grace         time.Duration
	}{
		{"a policy", forbidden + `ValidatingAdmissionPolicy 'team' with binding 'team' denied request: no timeout set`, CodeAdmissionDenied, graceAdmission},
		{"a webhook", `admission webhook "a.example.com" denied the request: image not found`, CodeAdmissionDenied, graceAdmission},
		{"pod security", forbidden + `violates PodSecurity "restricted:latest": runAsNonRoot != true`, CodeAdmissionDenied, graceAdmission},
		{"a range", forbidden + `maximum memory usage per Container is 1Gi, but limit is 2Gi`, CodeAdmissionDenied, graceAdmission},
		{"a quota", forbidden + `exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`, CodeQuotaExceeded, graceQuota},
		{"no account", forbidden + `error looking up service account ns/default: serviceaccount "default" not found`, CodeConfigMissing, graceAccount},
		{"no class", forbidden + `no PriorityClass with name high was found`, CodeAdmissionDenied, graceAccount},
		{"a webhook that is down", `Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://a.ns.svc:443/": dial tcp 10.96.3.4:443: connect: connection refused`, CodeAdmissionDenied, graceWebhook},
		{"a webhook without pods", `Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://a.ns.svc:443/": no endpoints available for service "a"`, CodeAdmissionDenied, graceWebhook},
		{"a webhook whose service is not there yet", `Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://a.ns.svc:443/": service "a" not found`, CodeAdmissionDenied, graceWebhook},
		{"many at once", `Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes to the latest version and try again`, CodeAdmissionDenied, graceWebhook},
		{"another leader", `etcdserver: leader changed`, CodeAdmissionDenied, graceWebhook},
		{"a slow server", `Timeout: request did not complete within requested timeout - context deadline exceeded`, CodeAdmissionDenied, graceWebhook},
		{"a server that starts", forbidden + `not yet ready to handle request`, CodeAdmissionDenied, graceWebhook},
	}
	for _, tt := range tests {
		rs := &appsv1.ReplicaSet{Status: appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: tt.message,
		}}}}
		object := parse(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: ns}")
		got := createProblems(&Workload{Object: object, replicaSet: rs})
		if len(got) != 1 || got[0].Code != tt.code || got[0].Grace != tt.grace {
			t.Errorf("%s: %+v", tt.name, got)
		}
		// The same, of a controller that has only events to say it.
		failed := corev1.Event{Reason: "FailedCreate", Message: "create Pod web-0 in StatefulSet web failed error: " + tt.message, LastTimestamp: metav1.Now()}
		for _, lasted := range []time.Duration{tt.grace - time.Second, tt.grace} {
			d := Diagnosis{Object: RefOf(object)}
			if certain := RefineUncreated(&d, []corev1.Event{failed}, lasted); certain != (lasted == tt.grace) {
				t.Errorf("%s, by an event: certain %v after %s", tt.name, certain, lasted)
			}
		}
		d := Diagnosis{Object: RefOf(object)}
		created := corev1.Event{Reason: "SuccessfulCreate", LastTimestamp: metav1.Now()}
		if RefineUncreated(&d, []corev1.Event{failed, created}, time.Minute) {
			t.Errorf("%s: a pod was made since", tt.name)
		}
	}
}

// A pod that a quota has no room for waits as long as others come and go.
func TestQuotaWaitsForOthers(t *testing.T) {
	t.Parallel()
	rs := &appsv1.ReplicaSet{Status: appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{{
		Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
		Message: `pods "web-1-x" is forbidden: exceeded quota: q, requested: pods=1,requests.memory=32Mi, used: pods=2,requests.memory=64Mi, limited: pods=2,requests.memory=1Gi`,
	}}}}
	object := parse(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: ns}")
	still := createProblems(&Workload{Object: object, replicaSet: rs})[0]
	moving := createProblems(&Workload{Object: object, replicaSet: rs, Moving: true})[0]
	if still.Grace != graceQuota || !still.Unsure || moving.Grace != never || moving.Key == still.Key {
		t.Errorf("still %+v, moving %+v", still, moving)
	}
	ready := podOf(corev1.ContainerStatus{Ready: true}, corev1.Container{})
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	going, failed := ready.DeepCopy(), ready.DeepCopy()
	going.DeletionTimestamp = &metav1.Time{}
	failed.Status = corev1.PodStatus{Phase: corev1.PodFailed}
	for name, tt := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{"ready": {ready, false}, "starting": {podOf(running(0, true), corev1.Container{}), true}, "going": {going, true}, "ended": {failed, false}} {
		if moves(tt.pod) != tt.want {
			t.Errorf("%s: moves %v", name, !tt.want)
		}
	}
	status := func(pods, memory string) corev1.ResourceQuotaStatus {
		list := func(pods, memory string) corev1.ResourceList {
			return corev1.ResourceList{"pods": resource.MustParse(pods), "requests.memory": resource.MustParse(memory)}
		}
		return corev1.ResourceQuotaStatus{Hard: list("2", "1Gi"), Used: list(pods, memory)}
	}
	if HasRoom(status("2", "64Mi"), still.Message) || HasRoom(status("1", "1000Mi"), still.Message) || !HasRoom(status("1", "32Mi"), still.Message) {
		t.Errorf("room for %q", still.Message)
	}
}

// A node that is not ready may come back; one that has not what a pod asks for
// does not grow.
func TestNodesThatComeBack(t *testing.T) {
	t.Parallel()
	node := func(taint string) corev1.Node {
		n := corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"memory": resource.MustParse("1Gi")}}}
		n.Labels = map[string]string{"disk": "ssd"}
		if taint != "" {
			n.Spec.Taints = []corev1.Taint{{Key: taint, Effect: corev1.TaintEffectNoSchedule}}
		}
		return n
	}
	const (
		tainted   = "0/1 nodes are available: 1 node(s) had untolerated taint(s)"
		unmatched = "node(s) didn't match Pod's node affinity/selector"
	)
	tests := []struct {
		name, says string
		nodes      []corev1.Node
		memory     string
		want       map[string]string
		after      time.Duration
	}{
		{"full", "0/1 nodes are available: 1 Insufficient memory", []corev1.Node{node("")}, "1Mi", nil, graceSchedule},
		{"too small", "0/1 nodes are available: 1 Insufficient memory", []corev1.Node{node("")}, "2Gi", nil, graceNoNode},
		{"no such node", "0/2 nodes are available: 2 " + unmatched, []corev1.Node{node(""), node("")}, "1Mi", map[string]string{"disk": "tape"}, graceNoNode},
		{"no such node, and none to see", "0/2 nodes are available: 2 " + unmatched, nil, "1Mi", map[string]string{"disk": "tape"}, graceNoNode},
		{"such a node, and it is full", "0/2 nodes are available: 1 Insufficient memory, 1 " + unmatched, []corev1.Node{node("")}, "1Mi", map[string]string{"disk": "ssd"}, graceSchedule},
		{"not ready", tainted, []corev1.Node{node("node.kubernetes.io/not-ready")}, "1Mi", nil, graceNode},
		{"starting", tainted, []corev1.Node{node("node.cloudprovider.kubernetes.io/uninitialized")}, "1Mi", nil, graceNode},
		{"somebody's taint", tainted, []corev1.Node{node("example.com/mine")}, "1Mi", nil, graceSchedule},
		{"nodes that may not be seen", tainted, nil, "1Mi", nil, graceSchedule},
	}
	for _, tt := range tests {
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: tt.want, Containers: []corev1.Container{{
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"memory": resource.MustParse(tt.memory)}},
		}}}}
		for _, lasted := range []time.Duration{tt.after - time.Second, tt.after} {
			d := Diagnosis{Code: CodeUnschedulable, Message: tt.says}
			if certain := RefineByNodes(&d, pod, tt.nodes, lasted); certain != (lasted == tt.after) {
				t.Errorf("%s: certain %v after %s", tt.name, certain, lasted)
			}
		}
	}
}

// The last word about a claim counts: its class may have come since.
func TestClaimsThatArePending(t *testing.T) {
	t.Parallel()
	noClass := at(0, "ProvisioningFailed", `storageclass.storage.k8s.io "fast" not found`)
	tests := []struct {
		name   string
		events []corev1.Event
		why    string
		grace  time.Duration
	}{
		{"no class", []corev1.Event{noClass}, "not found", 0},
		{"the class came, and its provisioner not", []corev1.Event{noClass, at(1, "ExternalProvisioning", "Waiting for a volume")}, "Waiting", graceSchedule},
		{"the class came, and waits for the pod", []corev1.Event{noClass, at(1, "WaitForFirstConsumer", "waiting")}, "", 0},
		{"at work", []corev1.Event{noClass, at(1, "Provisioning", "provisioning")}, "provisioning", deadlineAtMost},
		{"a provisioner that fails", []corev1.Event{at(0, "ProvisioningFailed", "no space"), at(1, "ExternalProvisioning", "Waiting")}, "no space", graceSchedule},
	}
	for _, tt := range tests {
		if why, grace := Unbound(tt.events); !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") || grace != tt.grace {
			t.Errorf("%s: %q for %s", tt.name, why, grace)
		}
	}
}
