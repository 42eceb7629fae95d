package apply

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// secretOf is the Secret that a controller makes of o, "" of what makes none.
func secretOf(o *unstructured.Unstructured) string {
	if o == nil {
		return ""
	}
	var in []string
	group := o.GroupVersionKind().Group
	switch {
	case group == "external-secrets.io" && o.GetKind() == "ExternalSecret":
		in = []string{"spec", "target", "name"}
	case group == "cert-manager.io" && o.GetKind() == "Certificate":
		in = []string{"spec", "secretName"}
	case group == "bitnami.com" && o.GetKind() == "SealedSecret":
		in = []string{"spec", "template", "metadata", "name"}
	default:
		return ""
	}
	if name, _, _ := unstructured.NestedString(o.Object, in...); name != "" {
		return name
	}
	return o.GetName()
}
