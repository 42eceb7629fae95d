package deploy

import (
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a Kubernetes version would refuse of an object is told with the object,
// the field and the nearest name; what it only warns of is a warning.
func TestCheck(t *testing.T) {
	t.Parallel()
	object := func(apiVersion, kind string, fields map[string]any) *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "web"}}}
		for k, v := range fields {
			o.Object[k] = v
		}
		return o
	}
	for _, test := range []struct {
		name, version string
		object        *unstructured.Unstructured
		severity      rule.Severity
		want          string // of the message and the hint; "" finds nothing
	}{
		{"good", "", object("v1", "ConfigMap", map[string]any{"data": map[string]any{"a": "b"}}), "", ""},
		{"unknown field", "1.34", object("v1", "ConfigMap", map[string]any{"dta": map[string]any{}}), rule.Error, "dta"},
		{"wrong type", "1.33", object("v1", "ConfigMap", map[string]any{"immutable": "yes"}), rule.Error, "immutable"},
		{"removed", "1.36", object("policy/v1beta1", "PodDisruptionBudget", nil), rule.Error, "policy/v1"},
		{"custom kind", "1.36", object("example.com/v1", "Widget", nil), rule.Warning, "Widget"},
		{"custom kind's way out", "1.36", object("example.com/v1", "Widget", nil), rule.Warning, `write crds: "crds" for a folder`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := &schema.App{Name: "shop", Kubernetes: test.version}
			found, err := Check(app, []render.Unit{{Name: "web", Objects: []*unstructured.Unstructured{test.object}}})
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(found) != 0 {
					t.Errorf("found %v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Severity != test.severity || found[0].Rule == "" || found[0].Path != "services.web" {
				t.Fatalf("found %+v", found)
			}
			if text := found[0].Message + found[0].Hint; !strings.Contains(text, test.want) {
				t.Errorf("%q does not say %q", text, test.want)
			}
			severe, mild := Severe(found)
			if len(severe)+len(mild) != 1 || (len(mild) == 1) != (test.severity == rule.Warning) {
				t.Errorf("severe %v, mild %v", severe, mild)
			}
		})
	}
	found, err := Check(&schema.App{Kubernetes: "1.2"}, nil)
	if err != nil || len(found) != 1 || found[0].Path != "kubernetes" || !strings.Contains(found[0].Message, `Kubernetes "1.2" are not known`) || !strings.Contains(found[0].Hint, `kubernetes: "1.33"`) {
		t.Errorf("got %+v, %v for a version that is not known", found, err)
	}
}
