package health

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// gracePaused is how long a workload may be paused that is waited for: who paused it
// may be about to resume it.
const gracePaused = 3 * time.Second

// queueName is on the Jobs that Kueue suspends until there is room for them
// (https://kueue.sigs.k8s.io/docs/concepts/workload/).
const queueName = "kueue.x-k8s.io/queue-name"

// Paused says that a Deployment is paused, or that somebody suspended a Job: its
// controller makes none of the pods that are waited for. It is nil of all others.
func Paused(o *unstructured.Unstructured) *Diagnosis {
	ref := RefOf(o)
	switch o.GetKind() {
	case "Deployment":
		if paused, _, _ := unstructured.NestedBool(o.Object, "spec", "paused"); !paused {
			return nil
		}
		if declared(o, "spec", "paused") {
			return PausedAsWritten(ref)
		}
		return &Diagnosis{
			Code: CodePaused, Object: ref,
			Message: fmt.Sprintf("%s was paused%s: no pods of another release are made until it is resumed", ref, SetBy(o, "spec", "paused")),
			Hint:    fmt.Sprintf("resume it, then deploy again: kubectl -n %s rollout resume deployment %s", ref.Namespace, ref.Name),
		}
	case "Job":
		if !suspended(o) || declared(o, "spec", "suspend") {
			return nil
		}
		return &Diagnosis{
			Code: CodePaused, Object: ref,
			Message: fmt.Sprintf("%s was suspended%s: it makes no pods until it is resumed", ref, SetBy(o, "spec", "suspend")),
			Hint:    "resume it, then deploy again: " + unsuspend(ref),
		}
	}
	return nil
}

// PausedAsWritten says that a Deployment is paused because the app says so.
func PausedAsWritten(ref Ref) *Diagnosis {
	return &Diagnosis{
		Code: CodePaused, Object: ref,
		Message: fmt.Sprintf("spec.paused of %s is true, as it is written: no pods of this release are made", ref),
		Hint:    "drop paused from what is written",
	}
}

func suspended(o *unstructured.Unstructured) bool {
	is, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	return is
}

func unsuspend(ref Ref) string {
	kind := "job"
	if ref.Kind == "CronJob" {
		kind = "cronjob"
	}
	return fmt.Sprintf(`kubectl -n %s patch %s %s --type=merge -p '{"spec":{"suspend":false}}'`, ref.Namespace, kind, ref.Name)
}

// paused is the problem of a workload that is waited for in vain.
func paused(o *unstructured.Unstructured) []Problem {
	d := Paused(o)
	if d == nil {
		return nil
	}
	pr := Problem{Key: "paused", Diagnosis: *d, Grace: gracePaused}
	if o.GetLabels()[queueName] != "" {
		pr.Grace = never
	}
	return []Problem{pr}
}

// deployment judges a paused Deployment, which kstatus never calls available: it is
// healthy when all its pods are of its template and ready.
func (v *Verdict) deployment(o *unstructured.Unstructured) {
	if is, _, _ := unstructured.NestedBool(o.Object, "spec", "paused"); !is || v.Healthy {
		return
	}
	total, _, _ := unstructured.NestedInt64(o.Object, "status", "replicas")
	available, _, _ := unstructured.NestedInt64(o.Object, "status", "availableReplicas")
	p := v.Pods
	if int32(total) == p.Wanted && p.Updated == p.Wanted && p.Ready == p.Wanted && int32(available) == p.Wanted {
		v.Healthy, v.Message = true, fmt.Sprintf("paused. Replicas: %d", p.Wanted)
	}
}

// onDelete reports whether pods are replaced only when somebody deletes them.
func onDelete(o *unstructured.Unstructured) bool {
	t, _, _ := unstructured.NestedString(o.Object, "spec", "updateStrategy", "type")
	return t == string(appsv1.OnDeleteStatefulSetStrategyType) && (o.GetKind() == "StatefulSet" || o.GetKind() == "DaemonSet")
}

// made is how many pods of a StatefulSet or DaemonSet are there.
func made(o *unstructured.Unstructured) int32 {
	count := "replicas"
	if o.GetKind() == "DaemonSet" {
		count = "currentNumberScheduled"
	}
	n, _, _ := unstructured.NestedInt64(o.Object, "status", count)
	return int32(n)
}

// replacedByHand judges a workload of that strategy: all its pods are there and ready,
// of whatever template. kstatus looks at none of them, or waits for new ones for ever.
func (v *Verdict) replacedByHand(o *unstructured.Unstructured) {
	if !onDelete(o) {
		return
	}
	v.Healthy = made(o) == v.Pods.Wanted && v.Pods.Ready >= v.Pods.Wanted
	v.Message = fmt.Sprintf("Ready: %d/%d", v.Pods.Ready, v.Pods.Wanted)
	if available, _, _ := unstructured.NestedInt64(o.Object, "status", "numberAvailable"); o.GetKind() == "DaemonSet" && int32(available) < v.Pods.Wanted {
		v.Healthy, v.Message = false, fmt.Sprintf("Available: %d/%d", available, v.Pods.Wanted)
	}
}

// Remark says what a workload that is healthy does not do by itself, "" if nothing:
// that it is paused, or that its pods are of an earlier template and stay.
func Remark(o *unstructured.Unstructured) string {
	ref := RefOf(o)
	switch d := Paused(o); {
	case d != nil:
		return d.Message + "; " + d.Hint
	case ref.Kind == "CronJob" && suspended(o) && !declared(o, "spec", "suspend"):
		return fmt.Sprintf("%s was suspended%s: it starts no Jobs until it is resumed: %s", ref, SetBy(o, "spec", "suspend"), unsuspend(ref))
	}
	total := made(o)
	old := total - countPods(o).Updated
	if old <= 0 {
		return ""
	}
	behind := fmt.Sprintf("%d of %d pods of %s are of an earlier release and stay: ", old, total, ref)
	if onDelete(o) {
		return behind + fmt.Sprintf("with the strategy OnDelete a pod is replaced when it is deleted: kubectl -n %s delete pod NAME", ref.Namespace)
	}
	if n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "updateStrategy", "rollingUpdate", "partition"); ok && n > 0 && ref.Kind == "StatefulSet" {
		return behind + fmt.Sprintf("its partition is %d, so the pods before number %d are not replaced", n, n)
	}
	return ""
}
