package render

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/schema"
)

// The pods of raw workloads get the labels by which a deploy finds them, unless
// something else may select by what they have.
func TestLabelsOfRawPods(t *testing.T) {
	t.Parallel()
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
	for name, tt := range map[string]struct {
		object string
		path   []string
		want   bool
	}{
		"no labels but its own": {
			object: deployment + "spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}}}", want: true,
		},
		"no metadata": {object: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {template: {spec: {}}}", want: true},
		"a CronJob": {
			object: "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec: {jobTemplate: {spec: {template: {spec: {}}}}}",
			path:   []string{"spec", "jobTemplate", "spec", "template", "metadata", "labels"}, want: true,
		},
		"those of a chart": {
			object: deployment + "spec: {selector: {matchLabels: {app.kubernetes.io/name: x}}, template: {metadata: {labels: {app.kubernetes.io/name: x, app.kubernetes.io/managed-by: Helm}}}}", want: true,
		},
		"selected by managed-by": {
			object: deployment + "spec: {selector: {matchLabels: {app.kubernetes.io/managed-by: Helm}}, template: {metadata: {labels: {app.kubernetes.io/managed-by: Helm}}}}",
		},
		"selected by an expression": {
			object: deployment + "spec: {selector: {matchExpressions: [{key: app.kubernetes.io/managed-by, operator: Exists}]}, template: {metadata: {labels: {app.kubernetes.io/managed-by: Helm}}}}",
		},
		"part of something else": {
			object: deployment + "spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x, app.kubernetes.io/part-of: argocd}}}}",
		},
		"named as a service": {
			object: deployment + "spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x, app.kubernetes.io/name: web}}}}",
		},
		"a kind of somebody else's": {
			object: "apiVersion: example.com/v1\nkind: Rollout\nmetadata: {name: x}\nspec: {template: {metadata: {labels: {app: x}}}}",
		},
	} {
		o := map[string]any{}
		if err := yaml.Unmarshal([]byte(tt.object), &o); err != nil {
			t.Fatal(err)
		}
		app := &schema.App{Name: "shop", Services: []*schema.Service{{Name: "web"}}, Objects: []schema.Object{{Path: "objects.x", Object: o}}}
		_, others := rawObjects(app)
		path := tt.path
		if path == nil {
			path = []string{"spec", "template", "metadata", "labels"}
		}
		labels, _, _ := unstructured.NestedStringMap(others[0].Object, path...)
		if got := labels[LabelPartOf] == "shop" && labels[LabelManagedBy] == ManagedBy; got != tt.want {
			t.Errorf("%s: labels %v", name, labels)
		}
		if _, changed, _ := unstructured.NestedString(o, append(path, LabelPartOf)...); changed && tt.want {
			t.Errorf("%s: the App was changed", name)
		}
	}
}
