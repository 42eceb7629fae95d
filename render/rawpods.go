package render

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kinds "k8s.io/apimachinery/pkg/runtime/schema"
)

// templates are the pod templates of Kubernetes' own workloads: where the
// template is, by kind.
var templates = map[kinds.GroupKind][]string{
	{Kind: "ReplicationController"}:      {"spec", "template"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "template"},
	{Group: "batch", Kind: "Job"}:        {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template"},
}

// labelPods adds to the pods of a raw workload, and to the claims that a
// StatefulSet makes, the labels by which a deploy finds them: it then knows why a
// pod does not start. No label that other objects may select by is replaced: a
// template with another part-of label, or whose pods would be taken for those of
// a service of the app, stays as it is, and its workload is judged by its own
// status alone. So do the templates of kinds that are not Kubernetes' own.
func labelPods(app string, services map[string]bool, o *unstructured.Unstructured) {
	path, ok := templates[o.GroupVersionKind().GroupKind()]
	if !ok {
		return
	}
	template, ok, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	if fields, isMap := template.(map[string]any); ok && isMap && mayLabel(app, services, o, fields) {
		addLabels(fields, map[string]string{LabelPartOf: app, LabelManagedBy: ManagedBy})
	}
	claims, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "volumeClaimTemplates")
	list, _ := claims.([]any)
	for _, claim := range list {
		fields, ok := claim.(map[string]any)
		if labels, _, err := unstructured.NestedStringMap(fields, "metadata", "labels"); ok && err == nil && labels[LabelPartOf] == "" {
			addLabels(fields, map[string]string{LabelPartOf: app, LabelManagedBy: ManagedBy})
		}
	}
}

// mayLabel reports whether the pods of a template may get the app's labels.
func mayLabel(app string, services map[string]bool, o *unstructured.Unstructured, template map[string]any) bool {
	labels, _, err := unstructured.NestedStringMap(template, "metadata", "labels")
	if err != nil {
		return false // the API server will say what is wrong with them
	}
	if of, ok := labels[LabelPartOf]; ok && of != app || services[labels[LabelName]] || labels[LabelTaskOf] != "" {
		return false
	}
	by, managed := labels[LabelManagedBy]
	return !managed || by == ManagedBy || !selects(o, LabelManagedBy)
}

// selects reports whether the workload finds its pods by a label.
func selects(o *unstructured.Unstructured, label string) bool {
	if pods, _, _ := unstructured.NestedMap(o.Object, "spec", "selector", "matchLabels"); pods[label] != nil {
		return true
	}
	if pods, _, _ := unstructured.NestedMap(o.Object, "spec", "selector"); pods[label] != nil {
		return true // of a ReplicationController
	}
	expressions, _, _ := unstructured.NestedSlice(o.Object, "spec", "selector", "matchExpressions")
	return slices.ContainsFunc(expressions, func(e any) bool {
		fields, _ := e.(map[string]any)
		return fields["key"] == label
	})
}

// addLabels adds labels to the metadata of fields.
func addLabels(fields map[string]any, labels map[string]string) {
	meta, ok := fields["metadata"].(map[string]any)
	if !ok {
		meta = map[string]any{}
		fields["metadata"] = meta
	}
	all, ok := meta["labels"].(map[string]any)
	if !ok {
		all = map[string]any{}
		meta["labels"] = all
	}
	for key, value := range labels {
		all[key] = value
	}
}
