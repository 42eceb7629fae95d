package health

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// RefineByEvents corrects d, which is of a pod and has lasted for so long, by what
// only the pod's events tell, oldest first. It returns whether the cause is certain.
func RefineByEvents(d *Diagnosis, events []corev1.Event, lasted time.Duration) bool {
	switch d.Code {
	case CodeProbeFailing:
		probe, ok := strings.CutPrefix(d.Field, "probes.")
		if !ok {
			break // of a pod of an earlier release, which no field of this one is to blame for
		}
		if said := probeSaid(events, d.Container, probe); said != "" {
			d.Message = fmt.Sprintf("%s probe: %s", probe, said)
		}
		d.Message += fmt.Sprintf(" (for %s)", lasted.Round(time.Second))
	case CodeCrashLoop:
		for _, probe := range []string{"liveness", "startup"} {
			if !killedBy(events, d.Container, probe) {
				continue
			}
			d.Code, d.Field = CodeProbeFailing, "probes."+probe
			d.Message = fmt.Sprintf("the %s probe failed, so the kubelet restarted the container", probe)
			if said := probeSaid(events, d.Container, probe); said != "" {
				d.Message += ": " + said
			}
		}
	case CodeImagePull:
		return refinePull(d.Container, events, lasted)
	case CodeDeadlineExceeded:
		return refineStart(d, events)
	}
	return true
}

// volumeName is how the kubelet names the volume that it cannot mount.
var volumeName = regexp.MustCompile(`for volume "([^"]+)"`)

// refineStart says why a pod does not start.
func refineStart(d *Diagnosis, events []corev1.Event) bool {
	pulling, before := false, *d
	for _, e := range events {
		switch e.Reason {
		case "Pulling", "Pulled", "Created", "Started":
			// The pod has its network and its volumes: what was wrong with them is over.
			pulling, *d = e.Reason == "Pulling", before
		case "FailedMount", "FailedAttachVolume":
			d.Code, d.Message = CodeVolumePending, e.Message
			if m := volumeName.FindStringSubmatch(e.Message); m != nil {
				d.Field = "volumes." + m[1]
			}
			said := strings.ToLower(e.Message)
			if (strings.Contains(said, "configmap") || strings.Contains(said, "secret")) &&
				(strings.Contains(said, "not found") || strings.Contains(said, "references non-existent")) {
				d.Code = CodeConfigMissing
			}
		case "FailedCreatePodSandBox":
			d.Message = e.Message
		}
	}
	if pulling && d.Code == CodeDeadlineExceeded {
		d.Code, d.Field, d.Message = CodeImagePull, "image", "the image is still being pulled"
		return false
	}
	return d.Code == CodeConfigMissing
}

// probeSaid returns the kubelet's last words about a failing probe.
func probeSaid(events []corev1.Event, container, probe string) string {
	prefix := strings.ToUpper(probe[:1]) + probe[1:] + " probe "
	said := ""
	for _, e := range events {
		if e.Reason != "Unhealthy" || !about(e, container) {
			continue
		}
		if rest, ok := strings.CutPrefix(e.Message, prefix); ok {
			if _, rest, ok = strings.Cut(rest, ": "); ok {
				said = strings.TrimSpace(rest)
			}
		}
	}
	return said
}

func killedBy(events []corev1.Event, container, probe string) bool {
	return slices.ContainsFunc(events, func(e corev1.Event) bool {
		return e.Reason == "Killing" && about(e, container) && strings.Contains(e.Message, "failed "+probe+" probe")
	})
}

// about reports whether e concerns the container: its field path is
// spec.containers{web}.
func about(e corev1.Event, container string) bool {
	path := e.InvolvedObject.FieldPath
	return container == "" || path == "" || strings.HasSuffix(path, "{"+container+"}")
}

// RefineUncreated says why a controller does not make a pod, by the controller's
// events, oldest first, and whether that is certain. Only events of this problem's
// time count.
func RefineUncreated(d *Diagnosis, events []corev1.Event, lasted time.Duration) bool {
	since := time.Now().Add(-lasted - 10*time.Second)
	for _, e := range slices.Backward(events) {
		if EventTime(e).Before(since) {
			continue
		}
		switch e.Reason {
		case "SuccessfulCreate":
			return false // that is over
		case "FailedCreate":
			why := Denied(e.Message, d.Object)
			d.Code, d.Field, d.Message, d.Hint = why.Code, why.Field, why.Message, why.Hint
			return lasted >= denialGrace(d.Code, e.Message)
		}
	}
	return false
}

// Judged reports whether the scheduler has said anything of a pod that has no node,
// in its condition or its events. One that says nothing has not looked.
func Judged(pod *corev1.Pod, events []corev1.Event) bool {
	return slices.ContainsFunc(pod.Status.Conditions, unscheduled) ||
		slices.ContainsFunc(events, func(e corev1.Event) bool { return e.Reason == "FailedScheduling" })
}

// unmatched is how the scheduler counts the nodes that a pod is not for.
var unmatched = regexp.MustCompile(`^0/(\d+) nodes are available: (?:.*, )?(\d+) node\(s\) didn't match Pod's node affinity/selector`)

// RefineByNodes says what keeps a pod from every node, and whether that is certain. A
// node that is not ready may come back, and have all that it had. Without nodes, the
// scheduler's words have to do.
func RefineByNodes(d *Diagnosis, pod *corev1.Pod, nodes []corev1.Node, lasted time.Duration) bool {
	if strings.Contains(d.Message, "affinity/selector") {
		d.Field = "placement"
		if m := unmatched.FindStringSubmatch(d.Message); m != nil && m[1] == m[2] || Unfit(&pod.Spec, nodes) != nil {
			return lasted >= graceNoNode
		}
	}
	if slices.ContainsFunc(nodes, comesBack) {
		return lasted >= graceNode
	}
	if too := tooLittle(&pod.Spec, nodes); too != nil {
		d.Field, d.Message, d.Hint = too.Field, too.Message, too.Hint
		return lasted >= graceNoNode
	}
	return lasted >= graceSchedule
}

// comesBack reports whether a node takes no pods for a while, as it starts or was
// not heard of.
func comesBack(n corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		switch t.Key {
		case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable,
			corev1.TaintNodeMemoryPressure, corev1.TaintNodeDiskPressure, corev1.TaintNodePIDPressure, "node.cloudprovider.kubernetes.io/uninitialized":
			return true
		}
		return false
	})
}

// Unbound says why a claim has no volume, by its events, oldest first, and how long
// that may last; "" when it waits for nothing but its pod's node.
func Unbound(events []corev1.Event) (why string, grace time.Duration) {
	for _, e := range events {
		switch e.Reason {
		case "ProvisioningFailed":
			// A StorageClass does not come by itself; another cause may pass.
			why, grace = e.Message, graceSchedule
			if strings.Contains(why, "storageclass") && strings.Contains(why, "not found") {
				grace = 0
			}
		case "FailedBinding":
			why, grace = e.Message, graceSchedule
			if strings.Contains(why, "no storage class is set") {
				grace = 0
			}
		case "ExternalProvisioning":
			if why == "" || grace == 0 { // the class came
				why, grace = e.Message, graceSchedule
			}
		case "WaitForFirstConsumer", "WaitForPodScheduled", "ProvisioningSucceeded":
			why, grace = "", 0
		case "Provisioning":
			// The provisioner is there and at work: up to the deadline.
			why, grace = e.Message, deadlineAtMost
		}
	}
	return why, grace
}

// How the kubelet names what a container's environment, or a volume, refers to.
var (
	keyMissing    = regexp.MustCompile(`couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)`)
	objectMissing = regexp.MustCompile(`(secret|configmap) "([^"]+)" not found`)
	itemMissing   = regexp.MustCompile(`references non-existent (?:secret|config) key: (\S+)`)
)

// BlameReference finds the variable or volume that refers to what is missing, nil
// if the kubelet names nothing that is.
func BlameReference(d *Diagnosis, spec *corev1.PodSpec) *Reference {
	if d.Code != CodeConfigMissing {
		return nil
	}
	var kind, name, key string
	if m := keyMissing.FindStringSubmatch(d.Message); m != nil {
		key, kind, name = m[1], m[2], m[3]
	} else if m := objectMissing.FindStringSubmatch(d.Message); m != nil {
		kind, name = m[1], m[2]
	} else if m := itemMissing.FindStringSubmatch(d.Message); m != nil {
		key = m[1]
	} else {
		return nil
	}
	for _, r := range References(spec) {
		named := (kind == "" || strings.EqualFold(r.Kind, kind) && r.Name == name) && (key == "" || r.Key == key)
		variable := d.Field == "env" && !strings.HasPrefix(r.Field, "volumes.")
		if named && (variable || r.Field == d.Field) {
			d.Field = r.Field
			return &r
		}
	}
	return nil
}
