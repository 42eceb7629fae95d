package apply

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	logLines    = 20
	logBytes    = 16 << 10
	eventLines  = 8
	diagnoseFor = 5 * time.Second // what logs and events may take
)

// diagnose completes a problem with what its pod's events and logs tell. certain
// is false when the events say that the cause may still pass. What cannot be
// fetched is left out: a diagnosis never fails.
func (c *Client) diagnose(ctx context.Context, unit string, w *workload, pr problem, lasted time.Duration) (d *Diagnosis, certain bool) {
	ctx, cancel := context.WithTimeout(ctx, diagnoseFor)
	defer cancel()
	d = new(pr.Diagnosis)
	d.Unit = unit
	if w == nil {
		return d, true
	}
	d.Object = refOf(w.object)
	pod := w.pod(pr.Pod)
	if pod == nil && len(w.pods) > 0 {
		pod = w.pods[0]
	}
	if pod == nil {
		return d, true
	}
	events := c.podEvents(ctx, pod)
	certain = refineByEvents(d, events, lasted)
	d.Events = warningLines(events)
	if status := containerStatus(pod, d.Container); status != nil && (status.State.Running != nil || status.LastTerminationState.Terminated != nil || status.State.Terminated != nil) {
		crashed := d.ExitCode != nil
		d.Logs = c.tail(ctx, pod.Name, d.Container, crashed && status.State.Running != nil)
	}
	return d, certain
}

func (w *workload) pod(name string) *corev1.Pod {
	for _, p := range w.pods {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func containerStatus(p *corev1.Pod, name string) *corev1.ContainerStatus {
	if s := statusOf(p.Status.ContainerStatuses, name); s != nil {
		return s
	}
	return statusOf(p.Status.InitContainerStatuses, name)
}

// podEvents lists the events about p, oldest first.
func (c *Client) podEvents(ctx context.Context, p *corev1.Pod) []corev1.Event {
	list, err := c.core.Events(p.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(p.UID)})
	if err != nil {
		return nil
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
	return list.Items
}

func eventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

// warningLines gives the last warnings as "Reason: message (×3)".
func warningLines(events []corev1.Event) []string {
	var out []string
	for _, e := range events {
		if e.Type != corev1.EventTypeWarning {
			continue
		}
		line := e.Reason + ": " + strings.TrimSpace(e.Message)
		n := e.Count
		if e.Series != nil {
			n = e.Series.Count
		}
		if n > 1 {
			line += fmt.Sprintf(" (×%d)", n)
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-eventLines):]
}

// refineByEvents corrects d by what only events tell, and returns whether its
// cause is certain.
func refineByEvents(d *Diagnosis, events []corev1.Event, lasted time.Duration) bool {
	switch d.Code {
	case CodeProbeFailing:
		probe := strings.TrimPrefix(d.Field, "probes.")
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
	case CodeUnschedulable:
		if strings.Contains(d.Message, "PersistentVolumeClaim") || strings.Contains(d.Message, "persistentvolumeclaim") {
			d.Code = CodeVolumePending
		}
		for _, e := range events {
			if e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated" {
				return false // a node is coming
			}
		}
	case CodeDeadlineExceeded:
		return refineStart(d, events)
	}
	return true
}

// refineStart says why a pod does not start.
func refineStart(d *Diagnosis, events []corev1.Event) bool {
	pulling := false
	for _, e := range events {
		switch e.Reason {
		case "Pulling":
			pulling = true
		case "Pulled":
			pulling = false
		case "FailedMount", "FailedAttachVolume":
			d.Code, d.Message = CodeVolumePending, e.Message
			if strings.Contains(e.Message, "not found") && (strings.Contains(e.Message, "configmap") || strings.Contains(e.Message, "secret")) {
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

// tail returns the container's last log lines.
func (c *Client) tail(ctx context.Context, pod, container string, previous bool) []string {
	data, err := c.core.Pods(c.owner.Namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, Previous: previous,
		TailLines: ptrTo(int64(logLines)), LimitBytes: ptrTo(int64(logBytes)),
	}).DoRaw(ctx)
	if err != nil {
		return nil
	}
	data = bytes.TrimRight(data, "\n")
	if len(data) == 0 {
		return nil
	}
	lines := strings.Split(strings.ToValidUTF8(string(data), "�"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, "\r")
	}
	return lines
}
