package apply_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// What RBAC denies is named before anything is written.
func TestForbiddenIsNamed(t *testing.T) {
	t.Parallel()
	read := rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"pods", "deployments", "replicasets", "services", "serviceaccounts", "secrets", "resourcequotas"}, Verbs: []string{"get", "list", "watch"}}
	state := rbacv1.PolicyRule{APIGroups: []string{"", "coordination.k8s.io"}, Resources: []string{"secrets", "leases"}, Verbs: []string{"*"}}
	write := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services", "serviceaccounts", "pods"}, Verbs: []string{"*"}}
	deploy := rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"*"}}
	tests := []struct {
		name           string
		rules          []rbacv1.PolicyRule
		verb, resource string
	}{
		{"may read", []rbacv1.PolicyRule{read, state, write}, "patch", "deployments.apps"},
		{"no secrets", []rbacv1.PolicyRule{write, deploy}, "get", "secrets"},
		{"no leases", []rbacv1.PolicyRule{read, write, deploy, {APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"*"}}}, "get, create, update, delete", "leases.coordination.k8s.io"},
		{"no list", []rbacv1.PolicyRule{state, {APIGroups: []string{"", "apps"}, Resources: []string{"services", "serviceaccounts", "deployments"}, Verbs: []string{"get", "patch", "create"}}}, "list", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.unit(service{}))
			before := e.versions()
			ann := e.as("ann", tt.rules...)
			res, err := ann.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}, nil)
			var forbidden *apply.ForbiddenError
			if !errors.As(err, &forbidden) || res.Outcome != apply.Refused {
				t.Fatalf("outcome %s, error %v", res.Outcome, err)
			}
			if forbidden.Verb != tt.verb || tt.resource != "" && forbidden.Resource != tt.resource || forbidden.Namespace != e.ns || forbidden.User != "ann" && forbidden.Err != nil {
				t.Errorf("error %+v", forbidden)
			}
			if text := err.Error(); !strings.HasPrefix(strings.TrimPrefix(text, "ann is "), "not allowed to "+tt.verb+" "+tt.resource) || !strings.HasSuffix(text, "in namespace "+e.ns) {
				t.Errorf("it says %q", text)
			}
			if after := e.versions(); !maps.Equal(before, after) {
				t.Errorf("it changed something:\nbefore %v\nafter  %v", before, after)
			}
		})
	}
}

func TestCredentialsRefused(t *testing.T) {
	e := newEnv(t)
	for name, spoil := range map[string]func(*rest.Config){
		"a token that nobody gave": func(cfg *rest.Config) { cfg.BearerToken = "expired" },
		"none":                     func(*rest.Config) {},
	} {
		bad := *e
		bad.cfg = rest.AnonymousClientConfig(e.cfg)
		spoil(bad.cfg)
		res, err := bad.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}}, nil)
		var refused *apply.UnauthorizedError
		var forbidden *apply.ForbiddenError
		switch {
		case res.Outcome != apply.Refused:
			t.Errorf("%s: outcome %s", name, res.Outcome)
		case name == "none" && errors.As(err, &forbidden) && forbidden.User == "system:anonymous":
		case !errors.As(err, &refused) || refused.Host != e.cfg.Host:
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := bad.client().Status(e.ctx); !errors.As(err, &refused) && !errors.As(err, &forbidden) {
			t.Errorf("%s: status: %v", name, err)
		}
	}
}

// A namespace that is going away is refused, whether it had the app or not.
func TestNamespaceBeingDeleted(t *testing.T) {
	t.Parallel()
	for name, deployed := range map[string]bool{"with the app": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			all := e.namespace(nil)
			if deployed {
				e.mustDeploy(e.unit(service{}))
			}
			hold := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hold", Finalizers: []string{"example.com/hold"}}}
			_, err := all.CoreV1().ConfigMaps(e.ns).Create(e.ctx, hold, metav1.CreateOptions{})
			check(t, err)
			t.Cleanup(func() {
				_, err := all.CoreV1().ConfigMaps(e.ns).Patch(context.Background(), "hold", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
				if err != nil {
					t.Error(err)
				}
			})
			check(t, all.CoreV1().Namespaces().Delete(e.ctx, e.ns, metav1.DeleteOptions{}))
			ours, sent := e.counted()
			res, err := ours.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"VERSION": "2"}})}}, nil)
			var terminating *apply.TerminatingError
			if !errors.As(err, &terminating) || terminating.Namespace != e.ns || res.Outcome != apply.Refused {
				t.Fatalf("outcome %s, error %v", res.Outcome, err)
			}
			if err.Error() != "namespace "+e.ns+" is being deleted" || terminating.Hint() == "" {
				t.Errorf("it says %q, hint %q", err, terminating.Hint())
			}
			if !deployed {
				return
			}
			// Neither is anything called unchanged there.
			refused := func(what string, res *apply.Result, err error) {
				t.Helper()
				if !errors.As(err, &terminating) || res.Outcome != apply.Refused {
					t.Errorf("%s: outcome %s, error %v", what, res.Outcome, err)
				}
			}
			res, err = ours.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}}, nil)
			refused("unchanged", res, err)
			res, err = ours.client().Rollback(e.ctx, apply.RollbackRequest{To: 1}, e.log)
			refused("rollback", res, err)
			if s, err := ours.client().Status(e.ctx); err != nil || !s.Terminating {
				t.Errorf("status %+v, error %v", s, err)
			}
			if wrote, _ := sent.not("GET", "DRYRUN"); len(wrote) > 0 {
				t.Errorf("it sent %q", wrote)
			}
		})
	}
}
