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
	"k8s.io/apimachinery/pkg/types"
)

const (
	logLines    = 20
	logBytes    = 16 << 10
	eventLines  = 8
	diagnoseFor = 5 * time.Second // what logs and events may take
)

// diagnose completes a problem with what events, claims, nodes and logs tell.
// certain is false when the cause may still pass. What cannot be fetched is left
// out: a diagnosis never fails.
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
	if pod == nil && !pr.uncreated && pr.Code != CodeQuotaExceeded && len(w.pods) > 0 {
		pod = w.pods[0]
	}
	if pod == nil {
		events := c.eventsAbout(ctx, w.creator())
		certain = !pr.uncreated || refineUncreated(d, events, lasted)
		if d.Code == CodeQuotaExceeded && (w.moving || c.roomNow(ctx, d)) {
			certain = false
		}
		d.Events = warningLines(events, d.Message)
		return d, certain
	}
	events := c.eventsAbout(ctx, pod.UID)
	certain = refineByEvents(d, events, lasted)
	if d.Code == CodeUnschedulable {
		certain = c.refineUnscheduled(ctx, d, pod, events, lasted)
	}
	if r := blameReference(d, &pod.Spec); r != nil && certain {
		// The kubelet has not looked again if it is there by now.
		h := c.heldNow(ctx, r.kind, r.name)
		gone := r.name != rootCertificates && h.err == nil && missing([]reference{*r}, h, c.owner.Namespace) != nil
		certain = gone || lasted >= graceRetry
	}
	d.Events = warningLines(events, d.Message)
	if status := containerStatus(pod, d.Container); status != nil && (status.State.Running != nil || status.LastTerminationState.Terminated != nil || status.State.Terminated != nil) {
		crashed := d.ExitCode != nil
		d.Logs = c.tail(ctx, pod.Name, d.Container, crashed && status.State.Running != nil)
		blameLogs(d, &pod.Spec)
	}
	return d, certain
}

func (w *workload) pod(name string) *corev1.Pod {
	for _, p := range w.all {
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

// eventsAbout lists the events about one object, oldest first.
func (c *Client) eventsAbout(ctx context.Context, uid types.UID) []corev1.Event {
	list, err := c.core.Events(c.owner.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(uid)})
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

// warningLines gives the last warnings as "Reason: message (×3)", without what
// was said already. Each pod that is refused has an event of its own, which names
// it and says the same.
func warningLines(events []corev1.Event, said string) []string {
	var out []string
	times := map[string]int32{}
	for _, e := range events {
		message := strings.TrimSpace(e.Message)
		if e.Reason == "FailedCreate" {
			message = denial(message)
		}
		if e.Type != corev1.EventTypeWarning || message == said {
			continue
		}
		line := e.Reason + ": " + message
		if times[line] == 0 {
			out = append(out, line)
		}
		n := e.Count
		if e.Series != nil {
			n = e.Series.Count
		}
		times[line] += max(n, 1)
	}
	for i, line := range out {
		if n := times[line]; n > 1 {
			out[i] += fmt.Sprintf(" (×%d)", n)
		}
	}
	return out[max(0, len(out)-eventLines):]
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
	if len(data) == 0 || bytes.HasPrefix(data, []byte(noContainer)) {
		return nil
	}
	lines := strings.Split(strings.ToValidUTF8(string(data), "�"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, "\r")
	}
	return lines
}
