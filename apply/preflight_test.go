package apply_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply"
)

// namespace makes the test's namespace before shipit does, with what others have
// put into it.
func (e *env) namespace(labels map[string]string, documents ...string) kubernetes.Interface {
	e.Helper()
	all, err := kubernetes.NewForConfig(e.cfg)
	check(e.T, err)
	_, err = all.CoreV1().Namespaces().Create(e.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.ns, Labels: labels}}, metav1.CreateOptions{})
	check(e.T, err)
	e.eventually(accounts, func() (string, bool) {
		_, err := all.CoreV1().ServiceAccounts(e.ns).Get(e.ctx, "default", metav1.GetOptions{})
		return "no default account", err == nil
	})
	for _, text := range documents {
		o := &unstructured.Unstructured{}
		check(e.T, yaml.Unmarshal([]byte(text), &o.Object))
		o.SetNamespace(e.ns)
		r := schema.GroupVersionResource{Version: "v1", Resource: strings.ToLower(o.GetKind()) + "s"}
		_, err := e.dyn.Resource(r).Namespace(e.ns).Create(e.ctx, o, metav1.CreateOptions{FieldManager: "somebody"})
		check(e.T, err)
	}
	return all
}

// deployment is a unit of one Deployment with extra fields of its container and
// its pod.
func (e *env) deployment(name string, replicas string, container, pod string) apply.Unit {
	e.Helper()
	return apply.Unit{Name: name, Objects: []*unstructured.Unstructured{
		e.account(name),
		e.object(name, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "+name+"}\nspec:\n  replicas: "+replicas+"\n  template:\n    spec:\n"+e.pod(name, servesHTTP+container, pod)),
	}}
}

// What would keep pods from running is found before anything is written.
func TestPreflightRefuses(t *testing.T) {
	t.Parallel()
	const (
		theirs = "apiVersion: v1\nkind: Secret\nmetadata: {name: theirs}\nstringData: {user: u, host: h}"
		quota  = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {requests.memory: 80Mi, pods: 5}}"
	)
	tests := []struct {
		name           string
		labels         map[string]string
		there          []string
		replicas       string
		container, pod string
		code           apply.Code
		field          string
		message        []string
	}{
		{
			name: "a Secret that is not there", container: "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]",
			code: apply.CodeConfigMissing, field: "env.PASSWORD", message: []string{"Secret db", "key password"},
		},
		{
			name: "a key that a Secret does not have", there: []string{theirs}, container: "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: theirs, key: password}}}]",
			code: apply.CodeConfigMissing, field: "env.PASSWORD", message: []string{"Secret theirs", "has no key password"},
		},
		{
			name: "envFrom", container: "envFrom: [{configMapRef: {name: app}}]",
			code: apply.CodeConfigMissing, field: "env", message: []string{"ConfigMap app"},
		},
		{
			name: "a volume", container: "volumeMounts: [{name: certs, mountPath: /certs}]", pod: "volumes: [{name: certs, secret: {secretName: tls}}]",
			code: apply.CodeConfigMissing, field: "volumes.certs", message: []string{"Secret tls"},
		},
		{
			name: "a key in a projected volume", there: []string{theirs}, container: "volumeMounts: [{name: both, mountPath: /both}]", pod: "volumes: [{name: both, projected: {sources: [{secret: {name: theirs, items: [{key: tls.key, path: k}]}}]}}]",
			code: apply.CodeConfigMissing, field: "volumes.both", message: []string{"Secret theirs", "tls.key"},
		},
		{
			name: "pod security", labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, pod: "hostNetwork: true",
			code: apply.CodeAdmissionDenied, field: "security", message: []string{"hostNetwork"},
		},
		{
			name: "a limit range", there: []string{"apiVersion: v1\nkind: LimitRange\nmetadata: {name: small}\nspec: {limits: [{type: Container, max: {memory: 16Mi}}]}"},
			code: apply.CodeAdmissionDenied, field: "resources.memory", message: []string{"maximum memory usage per Container is 16Mi"},
		},
		{
			name: "replicas that a quota can never hold", there: []string{quota}, replicas: "3",
			code: apply.CodeQuotaExceeded, field: "resources.memory", message: []string{"quota team", "3 × 32Mi need 96Mi", "80Mi"},
		},
		{
			name: "more pods than a quota allows", there: []string{quota}, replicas: "6", container: "workingDir: /",
			code: apply.CodeQuotaExceeded, field: "replicas", message: []string{"quota team", "pods 5", "need 6"},
		},
		{
			name: "a quota of what is not asked for", there: []string{"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {limits.cpu: 1}}"},
			code: apply.CodeAdmissionDenied, field: "resources", message: []string{"must specify limits.cpu"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			e.namespace(tt.labels, tt.there...)
			if tt.replicas == "" {
				tt.replicas = "1"
			}
			before := e.versions()
			// The quota controller counts a new quota's use after its creation.
			delete(before, "ResourceQuota team")
			res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.deployment("web", tt.replicas, tt.container, tt.pod)}}, nil)
			var refused *apply.PreflightError
			if !errors.As(err, &refused) || res.Outcome != apply.Refused {
				t.Fatalf("outcome %s, error %v", res.Outcome, err)
			}
			i := slices.IndexFunc(refused.Diagnoses, func(d *apply.Diagnosis) bool { return d.Code == tt.code && d.Field == tt.field })
			if i < 0 {
				t.Fatalf("diagnoses %+v", refused.Diagnoses[0])
			}
			d := refused.Diagnoses[i]
			if d.Unit != "web" || d.Object.String() != "Deployment web" {
				t.Errorf("diagnosis %+v", d)
			}
			for _, m := range tt.message {
				if !strings.Contains(d.Message, m) {
					t.Errorf("message %q, want %q", d.Message, m)
				}
			}
			if after := e.versions(); !maps.Equal(before, after) {
				t.Errorf("a refused deploy changed something:\nbefore %v\nafter  %v", before, after)
			}
		})
	}
}

// Two services of which each fits, and both do not.
func TestPreflightQuotaTogether(t *testing.T) {
	e := newEnv(t)
	units := []apply.Unit{
		{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{e.object(apply.AppUnit, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: shop}\nspec: {hard: {requests.memory: 80Mi}}")}},
		e.deployment("api", "1", "", ""),
		e.deployment("web", "2", "", ""),
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: units}, nil)
	var refused *apply.PreflightError
	if !errors.As(err, &refused) || len(refused.Diagnoses) != 1 {
		t.Fatalf("error %v", err)
	}
	if d := refused.Diagnoses[0]; d.Code != apply.CodeQuotaExceeded || d.Unit != "web" || !strings.Contains(d.Message, "need 96Mi together (api 32Mi, web 64Mi)") {
		t.Errorf("diagnosis %+v", d)
	}
	if hint := refused.Hint(); !strings.Contains(hint, "raise the quota") {
		t.Errorf("hint %q", hint)
	}
}

// What may yet be well, and what the caller may not look at, is said and does not
// keep from deploying.
func TestPreflightWarns(t *testing.T) {
	e := newEnv(t)
	all := e.namespace(nil, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {requests.memory: 64Mi}}")
	var said []string
	sink := func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			said = append(said, ev.Message)
		}
	}
	saying := func(what string) {
		t.Helper()
		if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, what) }) {
			t.Errorf("warnings %q do not say %q", said, what)
		}
		said = nil
	}
	web := func(value string) apply.Unit {
		return e.deployment("web", "1", "env: [{name: A, value: "+value+"}, {name: MAYBE, valueFrom: {secretKeyRef: {name: nowhere, key: k, optional: true}}}]", "imagePullSecrets: [{name: registry}]")
	}
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web("a")}}, sink)
	check(t, err)
	saying("pull Secret registry does not exist")

	// Another app's pods leave room for one more and not for the surge.
	e.eventually(schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}, func() (string, bool) {
		q, err := all.CoreV1().ResourceQuotas(e.ns).Get(e.ctx, "team", metav1.GetOptions{})
		check(t, err)
		used := q.Status.Used["requests.memory"]
		return "used " + used.String(), used.String() == "32Mi"
	})
	other := *e
	other.owner.App = "other"
	_, err = other.deploy(e.ctx, apply.Request{Units: []apply.Unit{other.deployment("other", "1", "", "")}}, nil)
	check(t, err)
	res, _ := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.deployment("api", "1", "", "")}, Timeout: time.Second}, sink)
	if res.Outcome == apply.Refused {
		t.Error("refused for what others use")
	}
	saying("quota team: this deploy needs 32Mi more requests.memory, and 0 of 64Mi are left now")

	check(t, all.CoreV1().ResourceQuotas(e.ns).Delete(e.ctx, "team", metav1.DeleteOptions{}))
	limited := e.as("limited",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps", "services", "serviceaccounts"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "events"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
	)
	_, err = limited.deploy(e.ctx, apply.Request{Units: []apply.Unit{web("b")}}, sink)
	check(t, err)
	for _, what := range []string{"not checked whether pods would be admitted: limited is not allowed to create pods", "not checked what the namespace's quota allows: limited is not allowed to list resourcequotas"} {
		n := 0
		for _, s := range said {
			if strings.HasPrefix(s, what) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("warnings %q say %q %d times", said, what, n)
		}
	}
}

// Only what changes is asked about: one pod, and the workload that has it; and
// whether the Lease can be renewed.
func TestPreflightOnlyWhatChanges(t *testing.T) {
	e := newEnv(t)
	theirs := "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: theirs, key: password}}}]"
	e.namespace(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: theirs}\nstringData: {password: p}")
	api := e.deployment("api", "1", theirs, "")
	e.mustDeploy(api, e.deployment("web", "1", theirs, ""))
	counted, sent := e.counted()
	_, err := counted.deploy(e.ctx, apply.Request{Units: []apply.Unit{api, e.deployment("web", "1", "env: [{name: A, value: b}]", "")}}, nil)
	check(t, err)
	var asked []string
	all, _ := sent.not("POST", "PATCH", "PUT", "DELETE")
	for _, s := range all {
		if strings.Contains(s, "/leases/") {
			continue
		}
		if strings.HasPrefix(s, "DRYRUN") || strings.HasSuffix(s, "/secrets/theirs") {
			method, path, _ := strings.Cut(s, " ")
			asked = append(asked, method+path[strings.LastIndex(path, "/"):])
		}
	}
	slices.Sort(asked)
	if want := []string{"DRYRUN/pods", "DRYRUN/web"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// as is e as a user with a Role of one or more rules in the test's namespace, as soon
// as the API server acts by them.
func (e *env) as(user string, rules ...rbacv1.PolicyRule) *env {
	e.Helper()
	all, err := kubernetes.NewForConfig(e.cfg)
	check(e.T, err)
	_, err = all.RbacV1().Roles(e.ns).Create(e.ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}, metav1.CreateOptions{})
	check(e.T, err)
	_, err = all.RbacV1().RoleBindings(e.ns).Create(e.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}, metav1.CreateOptions{})
	check(e.T, err)
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: e.ns, Verb: rules[0].Verbs[0], Group: rules[0].APIGroups[0], Resource: rules[0].Resources[0]},
	}}
	e.polls(func() (string, bool) {
		got, err := all.AuthorizationV1().SubjectAccessReviews().Create(e.ctx, review, metav1.CreateOptions{})
		return user + " has no rights yet", err == nil && got.Status.Allowed
	})
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Impersonate.UserName = user
	return &out
}
