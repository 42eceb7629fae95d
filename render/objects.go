package render

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kinds "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/schema"
)

// rawObjects are those that the project has as Kubernetes takes them, definitions
// of kinds apart from the others. They get the app's namespace, if they live in
// one and name none, and its labels, if they have no such; but shipit's own
// labels are shipit's, by which objects are found again, and what belongs to no
// service does not have its name. Their pods are labelled by labelPods.
func rawObjects(app *schema.App) (definitions, others []*unstructured.Unstructured) {
	scopes := clusterScopes(app)
	services := map[string]bool{}
	for _, s := range app.Services {
		services[s.Name] = true
	}
	for _, raw := range sorted(app.Objects, func(o schema.Object) string { return o.Path }) {
		o := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(raw.Object)}
		delete(o.Object, "status")
		if isOwnNamespace(app, o) {
			if ns := ownNamespace(app, foreignKeys(o.GetLabels()), foreignKeys(o.GetAnnotations())); ns != nil {
				definitions = append([]*unstructured.Unstructured{ns}, definitions...)
			}
			continue
		}
		labels := appLabels(app)
		for key, value := range o.GetLabels() {
			if key != LabelPartOf && key != LabelManagedBy && key != LabelName {
				labels[key] = value
			}
		}
		o.SetLabels(labels)
		labelPods(app.Name, services, o)
		kind := o.GroupVersionKind().GroupKind()
		if o.GetNamespace() == "" && !scopes[kind] {
			o.SetNamespace(namespace(app))
		}
		if kind == definitionKind {
			definitions = append(definitions, o)
		} else {
			others = append(others, o)
		}
	}
	return definitions, others
}

// isOwnNamespace reports whether a raw object is the namespace that the app is in.
// Of it only labels and annotations are applied, as namespaceLabels are.
func isOwnNamespace(app *schema.App, o *unstructured.Unstructured) bool {
	return o.GroupVersionKind().GroupKind() == kinds.GroupKind{Kind: "Namespace"} && o.GetName() == namespace(app)
}

// foreignKeys are the labels or annotations that are not shipit's own.
func foreignKeys(all map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range all {
		switch {
		case key == LabelName, key == LabelPartOf, key == LabelManagedBy, strings.HasPrefix(key, "shipit.dev/"):
		default:
			out[key] = value
		}
	}
	return out
}

var definitionKind = kinds.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// clusterKinds are Kubernetes' own that live in no namespace, by group.
var clusterKinds = map[string][]string{
	"":                             {"Namespace", "Node", "PersistentVolume"},
	"admissionregistration.k8s.io": {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"},
	"apiextensions.k8s.io":         {"CustomResourceDefinition"},
	"apiregistration.k8s.io":       {"APIService"},
	"certificates.k8s.io":          {"CertificateSigningRequest", "ClusterTrustBundle"},
	"flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
	"networking.k8s.io":            {"IngressClass", "IPAddress", "ServiceCIDR"},
	"node.k8s.io":                  {"RuntimeClass"},
	"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding"},
	"resource.k8s.io":              {"DeviceClass", "DeviceTaintRule", "ResourceSlice"},
	"scheduling.k8s.io":            {"PriorityClass"},
	"storage.k8s.io":               {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
	// Those of widespread operators, whose definitions a project need not have.
	gatewayGroup:              {"GatewayClass"},
	"cert-manager.io":         {"ClusterIssuer"},
	"external-secrets.io":     {"ClusterExternalSecret", "ClusterSecretStore"},
	"snapshot.storage.k8s.io": {"VolumeSnapshotClass", "VolumeSnapshotContent"},
}

// clusterScopes are the kinds that live in no namespace: Kubernetes' own, and
// those that a definition in the project says so of.
func clusterScopes(app *schema.App) map[kinds.GroupKind]bool {
	scopes := map[kinds.GroupKind]bool{}
	if len(app.Objects) == 0 {
		return scopes
	}
	for group, names := range clusterKinds {
		for _, kind := range names {
			scopes[kinds.GroupKind{Group: group, Kind: kind}] = true
		}
	}
	for _, o := range slices.Concat(app.CRDs, app.Objects) {
		u := unstructured.Unstructured{Object: o.Object}
		if u.GroupVersionKind().GroupKind() != definitionKind {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
		scopes[kinds.GroupKind{Group: group, Kind: kind}] = scope == "Cluster"
	}
	return scopes
}
