package apply

import (
	"errors"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Who may not bind just any Role may bind those whose rules they have themselves.
// So the API server reads the Role first, and answers that the binding is not
// found when the Role is not there: in a dry run of both, always; and for a moment
// after the Role was made, as it reads a copy.

func isBinding(kind string) bool { return kind == "RoleBinding" || kind == "ClusterRoleBinding" }

// rolesOf are the Roles and ClusterRoles that targets make.
func rolesOf(targets []target) map[objectKey]bool {
	out := map[objectKey]bool{}
	for _, t := range targets {
		for _, o := range t.objects {
			if kind := o.GetKind(); kind == "Role" || kind == "ClusterRole" {
				out[keyOfObject(o)] = true
			}
		}
	}
	return out
}

// bindsOne reports whether o is a binding of one of roles.
func bindsOne(o *unstructured.Unstructured, roles map[objectKey]bool) bool {
	if !isBinding(o.GetKind()) {
		return false
	}
	kind, _, _ := unstructured.NestedString(o.Object, "roleRef", "kind")
	name, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
	return roles[objectKey{group: rbacv1.GroupName, kind: kind, name: name}]
}

// roleMissing reports whether err is the answer to a binding whose Role is not
// seen yet.
func roleMissing(ref Ref, err error) bool {
	var status apierrors.APIStatus
	return isBinding(ref.Kind) && apierrors.IsNotFound(err) && errors.As(err, &status) &&
		(status.Status().Details == nil || status.Status().Details.Kind != "namespaces")
}

// unseenRoleError is passing: the Role is there.
type unseenRoleError struct{ error }

func (e *unseenRoleError) Unwrap() error { return e.error }

// escalates reports whether the API server refuses a Role for rules that whoever
// deploys does not have.
func escalates(reason string) bool {
	return strings.Contains(reason, "attempting to grant RBAC permissions not currently held")
}

const escalationHint = "nobody can give what they may not do themselves: ask for less, or have somebody deploy it who may do this, or who may escalate roles"
