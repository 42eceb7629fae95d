package render

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// template gives the pods of a workload, or nil of what is none.
func template(t *testing.T, o *unstructured.Unstructured) *corev1.PodTemplateSpec {
	t.Helper()
	path := []string{"spec", "template"}
	if o.GetKind() == "CronJob" {
		path = []string{"spec", "jobTemplate", "spec", "template"}
	}
	fields, ok, err := unstructured.NestedMap(o.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil
	}
	var template corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &template); err != nil {
		t.Fatal(err)
	}
	return &template
}

// restricted gives the workloads of an app with what the restricted Pod Security
// Standard has against each, by the very checks of Kubernetes' admission.
func restricted(t *testing.T, app *schema.App, opts Options) map[string]policy.AggregateCheckResult {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]policy.AggregateCheckResult{}
	for _, u := range units {
		for _, o := range u.Objects {
			if pod := template(t, o); pod != nil {
				results[o.GetKind()+" "+o.GetName()] = policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
			}
		}
	}
	return results
}

// Without a word about security, every kind of workload, container and task
// passes, with every kind of volume but a folder of the node.
func TestRenderIsRestricted(t *testing.T) {
	t.Parallel()
	for name, make := range apps {
		app, opts := make()
		if name == "everything" { // it has what relaxes it too
			continue
		}
		want := 0
		for _, s := range app.Services {
			want += 1 + len(s.Before) + len(s.After)
		}
		pods := restricted(t, app, opts)
		if len(pods) != want {
			t.Errorf("%s: got %d workloads and tasks, want %d", name, len(pods), want)
		}
		for workload, r := range pods {
			if r.Allowed == (workload == "DaemonSet agent") {
				t.Errorf("%s: %s is allowed: %t, %s", name, workload, r.Allowed, r.ForbiddenDetail())
			}
		}
	}
}

// A container of a pod has its own user, and what relaxes one relaxes no other.
func TestSecurityOfEachContainer(t *testing.T) {
	t.Parallel()
	pod := podOf(t, &schema.Service{
		Name: "web", Image: "web", Security: schema.Security{RunAsUser: ptr.To(int64(1)), AllowRoot: true, Seccomp: "Unconfined"},
		Init:     []schema.Container{{Name: "setup", Image: "setup", Security: schema.Security{RunAsUser: ptr.To(int64(2)), Privileged: true}}},
		Sidecars: []schema.Container{{Name: "proxy", Image: "proxy"}},
	}).Spec
	if c := pod.SecurityContext; c.RunAsUser != nil || *c.RunAsNonRoot || c.SeccompProfile.Type != corev1.SeccompProfileTypeUnconfined {
		t.Errorf("the pod: %+v", c)
	}
	for i, want := range []*int64{ptr.To(int64(2)), nil} {
		c := pod.InitContainers[i].SecurityContext
		if !ptr.Equal(c.RunAsUser, want) || !*c.RunAsNonRoot || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", pod.InitContainers[i].Name, c)
		}
		if privileged := i == 0; ptr.Deref(c.Privileged, false) != privileged || *c.AllowPrivilegeEscalation != privileged {
			t.Errorf("%s: %+v", pod.InitContainers[i].Name, c)
		}
	}
	if c := pod.Containers[0].SecurityContext; ptr.Deref(c.RunAsUser, 0) != 1 || c.Privileged != nil {
		t.Errorf("web: %+v", c)
	}
}

func TestSecurityRelaxed(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{"", schema.Deployment, schema.StatefulSet, schema.DaemonSet, schema.Job, schema.CronJob} {
		allowed := func(security schema.Security) bool {
			app := &schema.App{Name: "app", Services: []*schema.Service{{
				Name: "web", Image: "example.com/web@" + digestA, Workload: workload, Security: security, Schedule: &schema.Schedule{Cron: "@daily"},
				Ports: []schema.Port{{Name: "http", Port: 8080}},
			}}}
			pods := restricted(t, app, Options{})
			for _, r := range pods {
				return r.Allowed
			}
			t.Fatalf("%s has no pods", workload)
			return false
		}
		for _, fine := range []schema.Security{{}, {WritableRoot: true}, {AddCapabilities: []string{"NET_BIND_SERVICE"}}, {RunAsUser: ptr.To(int64(1000))}} {
			if !allowed(fine) {
				t.Errorf("%s with %+v is refused", workload, fine)
			}
		}
		for _, relaxed := range []schema.Security{{AllowRoot: true}, {AllowPrivilegeEscalation: true}, {AddCapabilities: []string{"SYS_ADMIN"}}, {Privileged: true}, {HostNetwork: true}, {HostPID: true}, {HostIPC: true}, {Seccomp: "Unconfined"}} {
			if allowed(relaxed) {
				t.Errorf("%s with %+v is allowed", workload, relaxed)
			}
		}
	}
}

// A new volume belongs to root: a pod with claims has a group that may write
// them.
func TestFSGroup(t *testing.T) {
	t.Parallel()
	claim := []schema.Volume{{Name: "data", Mount: "/data", Claim: &schema.Claim{Size: "1Gi"}}}
	dir := []schema.Volume{{Name: "data", Mount: "/data", EmptyDir: &schema.EmptyDir{}}}
	for _, test := range []struct {
		name     string
		volumes  []schema.Volume
		security schema.Security
		want     *int64
	}{
		{"no claims", dir, schema.Security{RunAsGroup: ptr.To(int64(7))}, nil},
		{"no claims, but given", dir, schema.Security{FSGroup: ptr.To(int64(8))}, ptr.To(int64(8))},
		{"claims", claim, schema.Security{}, ptr.To(int64(65532))},
		{"the container's group", claim, schema.Security{RunAsUser: ptr.To(int64(6)), RunAsGroup: ptr.To(int64(7))}, ptr.To(int64(7))},
		{"given", claim, schema.Security{RunAsGroup: ptr.To(int64(7)), FSGroup: ptr.To(int64(8))}, ptr.To(int64(8))},
	} {
		for _, workload := range []string{schema.Deployment, schema.StatefulSet, schema.Job} {
			pod := podOf(t, &schema.Service{Name: "web", Image: "web", Workload: workload, Volumes: test.volumes, Security: test.security})
			got := pod.Spec.SecurityContext
			if !ptr.Equal(got.FSGroup, test.want) {
				t.Errorf("%s %s: got %v, want %v", workload, test.name, ptr.Deref(got.FSGroup, -1), ptr.Deref(test.want, -1))
			}
			if onRoot := got.FSGroupChangePolicy != nil; onRoot != (test.volumes[0].Claim != nil) {
				t.Errorf("%s %s: the policy is %v", workload, test.name, got.FSGroupChangePolicy)
			}
		}
	}
}

// podOf gives the pods of one service.
func podOf(t *testing.T, s *schema.Service) *corev1.PodTemplateSpec {
	t.Helper()
	return template(t, workloadOf(t, s))
}

// workloadOf gives the workload of one service: the last object.
func workloadOf(t *testing.T, s *schema.Service) *unstructured.Unstructured {
	t.Helper()
	units, err := Render(&schema.App{Name: "app", Services: []*schema.Service{s}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	objects := units[0].Objects
	return objects[len(objects)-1]
}
