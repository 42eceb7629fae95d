package render

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// identity is the service's own ServiceAccount, with a Role of what it is
// permitted, if anything. The account itself never gives a token to a pod: that
// is said of each pod.
func (s *service) identity() ([]any, error) {
	objects := []any{&corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   s.meta(s.Name),
		AutomountServiceAccountToken: ptr.To(false),
	}}
	if len(s.Permissions) == 0 {
		return objects, nil
	}
	role := &rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
		ObjectMeta: s.meta(s.Name),
	}
	for _, p := range s.Permissions {
		groups := p.APIGroups
		if len(groups) == 0 {
			groups = []string{""}
		}
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: groups, Resources: p.Resources, Verbs: p.Verbs, ResourceNames: p.Names})
	}
	return append(objects, role, &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: s.meta(s.Name),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: s.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: s.Name, Namespace: namespace(s.app)}},
	}), nil
}
