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

	"github.com/shipit-dev/shipit/apply/health"
)

const (
	logLines    = 20
	logBytes    = 16 << 10
	diagnoseFor = 5 * time.Second // what logs and events may take
)

// diagnose completes a problem with what events, claims, nodes and logs tell.
// certain is false when the cause may still pass. What cannot be fetched is left
// out: a diagnosis never fails.
func (c *Client) diagnose(ctx context.Context, unit string, w *health.Workload, pr health.Problem, lasted time.Duration) (d *Diagnosis, certain bool) {
	ctx, cancel := context.WithTimeout(ctx, diagnoseFor)
	defer cancel()
	d = new(pr.Diagnosis)
	d.Unit = unit
	c.knowDeployed(ctx)
	defer c.maskDiagnosis(d)
	if w == nil {
		return d, true
	}
	d.Object = refOf(w.Object)
	pod := w.Pod(pr.Pod)
	if pod == nil && !pr.Uncreated && pr.Code != CodeQuotaExceeded && len(w.Pods) > 0 {
		pod = w.Pods[0]
	}
	if pod == nil {
		events := c.eventsAbout(ctx, w.Creator())
		certain = !pr.Uncreated && pr.Code != CodeProbeFailing || health.RefineUncreated(d, events, lasted)
		if d.Code == CodeQuotaExceeded && (w.Moving || c.roomNow(ctx, d)) {
			certain = false
		}
		d.Events = health.Warnings(events, d.Message)
		return d, certain
	}
	events := c.eventsAbout(ctx, pod.UID)
	certain = health.RefineByEvents(d, events, lasted)
	if d.Code == CodeUnschedulable {
		certain = c.refineUnscheduled(ctx, d, pod, events, lasted)
	}
	if r := health.BlameReference(d, &pod.Spec); r != nil && certain {
		// The kubelet has not looked again if it is there by now.
		h := c.heldNow(ctx, r.Kind, r.Name)
		gone := r.Name != rootCertificates && h.err == nil && health.Missing([]health.Reference{*r}, h.object, c.owner.Namespace) != nil
		certain = gone || lasted >= health.GraceRetry
	}
	d.Events = health.Warnings(events, d.Message)
	if status := health.ContainerStatus(pod, d.Container); status != nil && (status.State.Running != nil || status.LastTerminationState.Terminated != nil || status.State.Terminated != nil) {
		crashed := d.ExitCode != nil
		previous := crashed && status.State.Running != nil
		d.Logs = c.tail(ctx, pod.Name, d.Container, previous)
		if crashed && len(d.Logs) == 0 { // it was started anew, or ended again, meanwhile
			d.Logs = c.tail(ctx, pod.Name, d.Container, !previous)
		}
		health.BlameLogs(d, &pod.Spec)
	}
	if pr.Code == CodeProbeFailing && pr.Unsure && certain {
		certain = health.RefineProbe(d, pr.Field, &pod.Spec, events, lasted, func(port int32) health.Listening {
			return health.Listening{Elsewhere: health.ListensElsewhere(d.Logs, port), Talks: c.talks(ctx, pod.Name, d.Container)}
		})
	}
	return d, certain
}

// talks reports whether a container wrote something of late.
func (c *Client) talks(ctx context.Context, pod, container string) bool {
	data, err := c.core.Pods(c.owner.Namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, SinceSeconds: ptrTo(int64(10)), LimitBytes: ptrTo(int64(1)),
	}).DoRaw(ctx)
	return err == nil && len(data) > 0
}

// eventsAbout lists the events about one object, oldest first.
func (c *Client) eventsAbout(ctx context.Context, uid types.UID) []corev1.Event {
	list, err := c.core.Events(c.owner.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(uid)})
	if err != nil {
		return nil
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return health.EventTime(a).Compare(health.EventTime(b)) })
	return list.Items
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

// refineUnscheduled says what a pod without a node waits for: a claim, or a node
// that is large enough.
func (c *Client) refineUnscheduled(ctx context.Context, d *Diagnosis, pod *corev1.Pod, events []corev1.Event, lasted time.Duration) bool {
	for _, e := range events {
		if e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated" {
			return false // a node is coming
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		if why, grace := c.claimPending(ctx, v.PersistentVolumeClaim.ClaimName); why != "" {
			d.Code, d.Field = CodeVolumePending, "volumes."+v.Name
			d.Message = fmt.Sprintf("claim %s is pending: %s", v.PersistentVolumeClaim.ClaimName, why)
			return lasted >= grace
		}
	}
	if !health.Judged(pod, events) {
		return false
	}
	nodes, _ := c.listNodes(ctx) // who may not is told nothing of them
	return health.RefineByNodes(d, pod, nodes, lasted)
}

// claimPending says why a claim has no volume, and how long that may last; "" when
// it has one, or when it waits for nothing but its pod's node.
func (c *Client) claimPending(ctx context.Context, name string) (why string, grace time.Duration) {
	claim, err := c.core.PersistentVolumeClaims(c.owner.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", 0 // the scheduler's words have to do
	}
	if claim.Status.Phase == corev1.ClaimBound {
		return "", 0
	}
	return health.Unbound(c.eventsAbout(ctx, claim.UID))
}
