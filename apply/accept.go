package apply

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// accept takes the units of a request as targets: each object canonical, in the
// owner's namespace, and labelled so that it is found again.
func (c *Client) accept(units []Unit) ([]target, error) {
	var out []target
	var given []target
	for _, u := range units {
		given = append(given, target{objects: u.Objects})
	}
	definitions := defined(given)
	for _, u := range units {
		if u.Name == "" || slices.ContainsFunc(out, func(t target) bool { return t.unit == u.Name }) {
			return nil, fmt.Errorf("unit %q: empty or given twice", u.Name)
		}
		t := target{unit: u.Name, needs: u.Needs, calls: u.Calls, deadline: u.Deadline}
		for _, o := range u.Objects {
			o, err := canonical(o)
			if err != nil {
				return nil, err
			}
			if o.GetNamespace() == "" && (c.kinds.namespaced(o.GroupVersionKind()) || definitions[o.GroupVersionKind().GroupKind()]) {
				o.SetNamespace(c.owner.Namespace)
			}
			if u.Name == AppUnit && c.isOwnNamespace(refOf(o)) {
				if t.namespace != nil {
					return nil, fmt.Errorf("%s is in %s twice", refOf(o), u.Name)
				}
				t.namespace = ofNamespace(o)
				continue
			}
			if err := c.labelled(u.Name, o); err != nil {
				return nil, err
			}
			if err := checkHook(o); err != nil {
				return nil, err
			}
			t.objects = append(t.objects, o)
		}
		out = append(out, t)
	}
	c.knowTargets(out)
	return out, disputed(out, nil)
}

func (c *Client) labelled(unit string, o *unstructured.Unstructured) error {
	want := map[string]string{labelName: unit, labelPartOf: c.owner.App, labelManagedBy: managedByShipit}
	if unit == AppUnit {
		want[labelName] = "" // it could be no label's value
	}
	check := func(where string, got map[string]string) error {
		for k, v := range want {
			if got[k] != v {
				return fmt.Errorf("%s: label %s%s is %q, not %q", refOf(o), where, k, got[k], v)
			}
		}
		return nil
	}
	if ns := o.GetNamespace(); ns != "" && ns != c.owner.Namespace {
		return fmt.Errorf("%s is in namespace %s, not %s", refOf(o), ns, c.owner.Namespace)
	}
	if err := check("", o.GetLabels()); err != nil {
		return err
	}
	if unit == AppUnit || !hasTemplate(kindRef{o.GetAPIVersion(), o.GetKind()}) {
		return nil // whose pods have the labels that the project gave them
	}
	if hookPhase(o) != "" {
		want[labelName], want[labelTaskOf] = "", unit
	}
	if template, ok, _ := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "labels"); ok {
		return check("of the pod template ", template)
	}
	return nil
}
