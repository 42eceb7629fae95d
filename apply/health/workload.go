package health

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Workload is one workload object with its pods. Its Object alone is enough to judge
// by what its status says.
type Workload struct {
	Object *unstructured.Unstructured // a Deployment, StatefulSet, DaemonSet, Job or CronJob
	Pods   []*corev1.Pod              // of the current template, sorted by name
	Moving bool                       // pods of the app start or go: what they leave is not known yet

	replicaSet *appsv1.ReplicaSet // of a Deployment
	all        []*corev1.Pod      // of any template, but for a Deployment
}

const revisionAnnotation = "deployment.kubernetes.io/revision"

// NewWorkload finds what belongs to o, as it is now, among the ReplicaSets and pods of
// its app.
func NewWorkload(o *unstructured.Unstructured, sets []*appsv1.ReplicaSet, pods []*corev1.Pod) *Workload {
	w := &Workload{Object: o, Moving: slices.ContainsFunc(pods, moves)}
	owner, match := o.GetUID(), func(*corev1.Pod) bool { return true }
	owned := func(p *corev1.Pod) bool { return ownedBy(p, owner) }
	switch o.GetKind() {
	case "Deployment":
		revision := o.GetAnnotations()[revisionAnnotation]
		for _, rs := range sets {
			if revision != "" && ownedBy(rs, o.GetUID()) && rs.Annotations[revisionAnnotation] == revision && sameTemplate(o, rs) {
				w.replicaSet = rs
			}
		}
		if w.replicaSet == nil {
			return w
		}
		owner = w.replicaSet.UID
	case "CronJob":
		owned = func(p *corev1.Pod) bool { return isRunOf(o.GetName(), p) }
	case "StatefulSet", "DaemonSet":
		revision, _, _ := unstructured.NestedString(o.Object, "status", "updateRevision")
		if o.GetKind() == "DaemonSet" {
			revision = daemonRevision(o, pods)
		}
		match = func(p *corev1.Pod) bool {
			return revision == "" || p.Labels[appsv1.ControllerRevisionHashLabelKey] == revision
		}
	}
	for _, p := range pods {
		if !owned(p) {
			continue
		}
		w.all = append(w.all, p)
		if match(p) {
			w.Pods = append(w.Pods, p)
		}
	}
	slices.SortFunc(w.Pods, func(a, b *corev1.Pod) int {
		return strings.Compare(a.Name, b.Name)
	})
	return w
}

// moves reports whether a pod is on its way to readiness, or out.
func moves(p *corev1.Pod) bool {
	return p.DeletionTimestamp != nil || !ended(p) && !Ready(p)
}

// daemonRevision is that of a DaemonSet's pods of the template as it is now, which
// its status does not have: a pod that the controller made of the template tells.
// It is no pod's before there is one, and "" when all that are to be there are.
func daemonRevision(o *unstructured.Unstructured, pods []*corev1.Pod) string {
	generation := o.GetAnnotations()[appsv1.DeprecatedTemplateGeneration]
	for _, p := range pods {
		if ownedBy(p, o.GetUID()) && p.Labels["pod-template-generation"] == generation {
			return p.Labels[appsv1.ControllerRevisionHashLabelKey]
		}
	}
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	n := countPods(o)
	if generation == "" || observed >= o.GetGeneration() && n.Updated >= n.Wanted {
		return ""
	}
	return "none yet"
}

// sameTemplate reports whether the ReplicaSet is of the Deployment's template as
// it is now, compared as the Deployment controller does. The revision alone does
// not tell: when the count of replicas changed too, the controller scales first,
// and calls the Deployment observed while the revision is still the old one.
func sameTemplate(o *unstructured.Unstructured, rs *appsv1.ReplicaSet) bool {
	raw, ok, _ := unstructured.NestedMap(o.Object, "spec", "template")
	if !ok {
		return true // nothing to compare
	}
	var want corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &want); err != nil {
		return true
	}
	got := rs.Spec.Template.DeepCopy()
	delete(got.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(want.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(&want, got)
}

func ownedBy(o metav1.Object, uid types.UID) bool {
	ref := metav1.GetControllerOf(o)
	return ref != nil && ref.UID == uid
}

// isRunOf reports whether a pod is of one of a CronJob's Jobs, whose names end in their
// time (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/).
func isRunOf(cron string, p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.Kind != "Job" {
		return false
	}
	at, ok := strings.CutPrefix(owner.Name, cron+"-")
	_, err := strconv.ParseUint(at, 10, 64)
	return ok && err == nil
}

// Pod is the pod of the name, of any template; nil when it is not there.
func (w *Workload) Pod(name string) *corev1.Pod {
	for _, p := range w.all {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Creator is who makes the workload's pods, and says in its events why not.
func (w *Workload) Creator() types.UID {
	if w.replicaSet != nil {
		return w.replicaSet.UID
	}
	return w.Object.GetUID()
}

// Ready reports whether the pod takes part: its containers run, and their probes
// pass.
func Ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Pods counts the pods of a unit's workloads.
type Pods struct {
	Wanted  int32 `json:"wanted"`  // spec.replicas
	Updated int32 `json:"updated"` // of the current template
	Ready   int32 `json:"ready"`   // of any template
}
