package apply_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/shipit-dev/shipit/apply"
)

// Who may do in a namespace what a deploy does, and what the service may do there,
// deploys a service with permissions. More than one may do oneself cannot be given,
// which is found before anything is written.
func TestPermissionsOfTheUsual(t *testing.T) {
	e := newEnv(t)
	e.namespace(nil)
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"} // not escalate, not bind
	ann := e.as("ann",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps", "services", "serviceaccounts", "resourcequotas"}, Verbs: verbs},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "events"}, Verbs: []string{"get", "list", "watch", "create"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: verbs},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: verbs},
		rbacv1.PolicyRule{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"roles", "rolebindings"}, Verbs: verbs},
	)
	permitted := func(verb string) apply.Unit {
		u := ann.deployment("web", "1", "", "")
		const rbac = "apiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: web}\n"
		u.Objects = append(u.Objects,
			ann.object("web", rbac+"kind: Role\nrules: [{apiGroups: [''], resources: [pods], verbs: [get, "+verb+"]}]"),
			ann.object("web", rbac+"kind: RoleBinding\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}\nsubjects: [{kind: ServiceAccount, name: web, namespace: "+e.ns+"}]"),
		)
		return u
	}

	before := e.versions()
	res, err := ann.deploy(e.ctx, apply.Request{Units: []apply.Unit{permitted("delete")}}, nil)
	var refused *apply.PreflightError
	if !errors.As(err, &refused) || res.Outcome != apply.Refused || len(refused.Diagnoses) != 1 {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	d := refused.Diagnoses[0]
	if d.Code != apply.CodeAdmissionDenied || d.Field != "permissions" || !strings.Contains(d.Message, `Verbs:["delete"]`) || strings.Contains(d.Message, "\n") || !strings.Contains(d.Hint, "ask for less") {
		t.Errorf("diagnosis %+v", d)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("a refused deploy changed something:\nbefore %v\nafter  %v", before, after)
	}

	ann.mustDeploy(permitted("list"))
	res, err = ann.deploy(e.ctx, apply.Request{Units: []apply.Unit{permitted("list")}}, nil)
	if err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("again: outcome %s, error %v", res.Outcome, err)
	}
}
