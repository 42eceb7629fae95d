package apply_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply"
)

// object reads one document and puts it into the test's namespace, with the
// labels of unit.
func (e *env) object(unit, text string) *unstructured.Unstructured {
	e.Helper()
	o := &unstructured.Unstructured{}
	check(e.T, yaml.Unmarshal([]byte(text), &o.Object))
	o.SetNamespace(e.ns)
	labels := map[string]string{"app.kubernetes.io/part-of": e.owner.App, "app.kubernetes.io/managed-by": "shipit"}
	if unit != apply.AppUnit {
		labels["app.kubernetes.io/name"] = unit
	}
	o.SetLabels(labels)
	if _, ok, _ := unstructured.NestedMap(o.Object, "spec", "template"); ok {
		check(e.T, unstructured.SetNestedStringMap(o.Object, labels, "spec", "template", "metadata", "labels"))
		if o.GetKind() != "Job" {
			check(e.T, unstructured.SetNestedStringMap(o.Object, labels, "spec", "selector", "matchLabels"))
		}
	}
	return o
}

// pod gives the spec of a pod that is safe, with extra fields of the container
// and of the pod.
func (e *env) pod(name, container, pod string) string {
	spec := `
      serviceAccountName: ` + name + `
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
` + lines(pod, 6) + `
      containers:
      - name: ` + name + `
        image: ` + e.image + `
        resources: {requests: {cpu: 1m, memory: 32Mi}, limits: {memory: 32Mi}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
` + lines(container, 8)
	return spec
}

func lines(text string, indent int) string {
	var b strings.Builder
	for _, l := range strings.Split(strings.Trim(text, "\n"), "\n") {
		if l != "" {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", indent), l)
		}
	}
	return b.String()
}

func (e *env) account(name string) *unstructured.Unstructured {
	return e.object(name, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: "+name+"}\nautomountServiceAccountToken: false\n")
}

const (
	servesHTTP = `
ports: [{name: http, containerPort: 8080}]
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
`
	stops = "lifecycle: {preStop: {sleep: {seconds: 1}}}\n"
)

// statefulSet is a unit of a StatefulSet with a claim for each replica.
func (e *env) statefulSet(name string, replicas int, spec, container string) apply.Unit {
	e.Helper()
	return apply.Unit{Name: name, Objects: []*unstructured.Unstructured{
		e.account(name),
		e.object(name, "apiVersion: v1\nkind: Service\nmetadata: {name: "+name+"}\nspec: {type: ClusterIP, selector: {app.kubernetes.io/name: "+name+"}, ports: [{name: http, port: 80, targetPort: http}]}"),
		e.object(name, "apiVersion: v1\nkind: Service\nmetadata: {name: "+name+"-headless}\nspec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app.kubernetes.io/name: "+name+"}, ports: [{name: http, port: 80, targetPort: http}]}"),
		e.object(name, `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: `+name+`}
spec:
  replicas: `+fmt.Sprint(replicas)+`
  serviceName: `+name+`-headless
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
`+lines(spec, 2)+`
  template:
    spec:
`+e.pod(name, servesHTTP+container+"volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]\n", "volumes: [{name: tmp, emptyDir: {}}]")+`
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
`),
	}}
}

// job is a unit of one Job.
func (e *env) job(name, spec, container string) apply.Unit {
	e.Helper()
	return apply.Unit{Name: name, Objects: []*unstructured.Unstructured{
		e.account(name),
		e.object(name, `
apiVersion: batch/v1
kind: Job
metadata: {name: `+name+`-0123456789}
spec:
`+lines(spec, 2)+`
  template:
    spec:
`+e.pod(name, container, "restartPolicy: Never")),
	}}
}

// cronJob is a unit of one CronJob, of the night.
func (e *env) cronJob(name string) apply.Unit {
	e.Helper()
	return apply.Unit{Name: name, Objects: []*unstructured.Unstructured{
		e.account(name),
		e.made(name, "batch/v1", "CronJob", name, map[string]any{"spec": map[string]any{
			"schedule": "0 3 * * *",
			"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"restartPolicy": "Never", "containers": []any{map[string]any{"name": name, "image": e.image}},
			}}}},
		}}),
	}}
}

// everyKind is an app with an object of every kind that the language renders, in
// the forms that it gives them.
func (e *env) everyKind() []apply.Unit {
	e.Helper()
	const web = "web"
	secret := base64.StdEncoding.EncodeToString([]byte("hush"))
	return []apply.Unit{
		{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{
			e.object(apply.AppUnit, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: shop}\nspec: {hard: {requests.cpu: 1000m, requests.memory: 2048Mi, pods: 20}}"),
		}},
		e.statefulSet("db", 1, "updateStrategy: {type: RollingUpdate}", stops),
		e.job("migrate", "backoffLimit: 2", "env: [{name: EXIT, value: \"0\"}]"),
		{Name: web, Objects: []*unstructured.Unstructured{
			e.account(web),
			e.object(web, "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ClusterIP, selector: {app.kubernetes.io/name: web}, ports: [{name: http, port: 80, targetPort: http}, {name: dns, port: 80, protocol: UDP}]}"),
			e.object(web, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-app-0123456789}\nimmutable: true\ndata: {level: debug, app.yaml: \"a: 1\\n\", empty: \"\"}"),
			e.object(web, "apiVersion: v1\nkind: Secret\nmetadata: {name: web-db-0123456789}\ntype: Opaque\nimmutable: true\ndata: {password: "+secret+"}"),
			e.object(web, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: web-data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}"),
			e.object(web, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  strategy: {type: Recreate}
  template:
    spec:
`+e.pod(web, servesHTTP+stops+`
env:
- {name: EMPTY, value: ""}
- {name: LEVEL, valueFrom: {configMapKeyRef: {name: web-app-0123456789, key: level}}}
- {name: PASSWORD, valueFrom: {secretKeyRef: {name: web-db-0123456789, key: password}}}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
volumeMounts:
- {name: tmp, mountPath: /tmp}
- {name: app, mountPath: /etc/app, readOnly: true}
- {name: db, mountPath: /etc/db}
- {name: both, mountPath: /etc/both}
- {name: data, mountPath: /data}
`, `
volumes:
- {name: tmp, emptyDir: {sizeLimit: 1024Mi}}
- {name: app, configMap: {name: web-app-0123456789}}
- {name: db, secret: {secretName: web-db-0123456789}}
- {name: both, projected: {sources: [{secret: {name: web-db-0123456789, items: [{key: password, path: p}]}}, {configMap: {name: web-app-0123456789}}]}}
- {name: data, persistentVolumeClaim: {claimName: web-data}}
`)),
			e.object(web, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web-public}\nspec: {ingressClassName: nginx, tls: [{hosts: [shop.example.com], secretName: web-tls}], rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}"),
			e.object(web, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web-to-db}\nspec: {podSelector: {matchLabels: {app.kubernetes.io/name: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app.kubernetes.io/name: web}}}], ports: [{port: http}]}]}"),
			e.object(web, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web-expose}\nspec: {podSelector: {matchLabels: {app.kubernetes.io/name: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}"),
		}},
	}
}

// requests counts what a client sends.
type requests struct {
	mu   sync.Mutex
	sent []string // method and path; a dry run has its own method
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		method := req.Method
		if req.URL.Query().Get("dryRun") != "" {
			method = "DRYRUN"
		}
		r.mu.Lock()
		r.sent = append(r.sent, method+" "+req.URL.Path)
		r.mu.Unlock()
		return next.RoundTrip(req)
	})
}

// not returns the requests of other methods, and how many there were in all.
func (r *requests) not(methods ...string) (others []string, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sent {
		method, _, _ := strings.Cut(s, " ")
		if !strings.Contains(strings.Join(methods, " "), method) {
			others = append(others, s)
		}
	}
	return others, len(r.sent)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// counted is e with its requests counted.
func (e *env) counted() (*env, *requests) {
	r := &requests{}
	out := *e
	out.cfg = rest.CopyConfig(e.cfg)
	out.cfg.Wrap(r.wrap)
	return &out, r
}

// A claim that waits for its pod and an Ingress without an address keep nobody
// waiting: an app with every kind of object becomes healthy; deployed again it is
// unchanged, which costs neither a write nor a dry run.
func TestEveryKindUnchanged(t *testing.T) {
	e := newEnv(t)
	units := e.everyKind()
	began := time.Now().Truncate(time.Second)
	_, err := e.deploy(e.ctx, apply.Request{Units: units}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			t.Errorf("warning: %s %v", ev.Message, ev.Err)
		}
	})
	check(t, err)

	again, sent := e.counted()
	start := time.Now()
	res, err := again.deploy(e.ctx, apply.Request{Units: units}, nil)
	check(t, err)
	others, all := sent.not("GET")
	t.Logf("unchanged in %s with %d requests", time.Since(start), all)
	if res.Outcome != apply.Unchanged || res.DeployID != "" {
		t.Errorf("result %+v", res)
	}
	if len(others) > 0 {
		t.Errorf("an unchanged deploy sent %q", others)
	}

	for name, want := range map[string]apply.UnitStatus{
		apply.AppUnit: {},
		"db":          {Pods: apply.Pods{Wanted: 1, Updated: 1, Ready: 1}, Images: []string{e.image}},
		"migrate":     {Pods: apply.Pods{Wanted: 1, Ready: 1}, Images: []string{e.image}},
		"web":         {Pods: apply.Pods{Wanted: 1, Updated: 1, Ready: 1}, Images: []string{e.image}},
	} {
		s := e.status(name)
		if !s.Ready || s.Release != 1 || s.Pods != want.Pods || !slices.Equal(s.Images, want.Images) || s.Diagnosis != nil || s.Message != "" || s.Deployed.Before(began) {
			t.Errorf("status %+v", s)
		}
	}

	// A workload that somebody deletes is said, and comes back.
	check(t, e.dyn.Resource(deployments).Namespace(e.ns).Delete(e.ctx, "web", metav1.DeleteOptions{}))
	if s := e.status("web"); s.Ready || s.Diagnosis == nil || s.Diagnosis.Code != apply.CodeGone || s.Pods.Ready != 0 {
		t.Errorf("status without its Deployment: %+v", s)
	}
	e.mustDeploy(units...)
	if s := e.status("web"); !s.Ready || s.Release != 2 {
		t.Errorf("status after another deploy: %+v", s)
	}
}

// A StatefulSet is healthy when all its pods are of the new revision and ready,
// however it orders them.
func TestStatefulSetRollsOut(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"OrderedReady", "Parallel"} {
		t.Run(policy, func(t *testing.T) {
			e := newEnv(t)
			for _, version := range []string{"1", "2"} {
				res := e.mustDeploy(e.statefulSet("db", 2, "podManagementPolicy: "+policy, "env: [{name: VERSION, value: \""+version+"\"}]\n"))
				if p := res.Units[0].Pods; p != (apply.Pods{Wanted: 2, Updated: 2, Ready: 2}) {
					t.Errorf("version %s: pods %+v", version, p)
				}
				lines, err := e.logs(apply.LogsRequest{Unit: "db"})
				check(t, err)
				if got := texts(lines); !slices.Equal(got, []string{"starting version " + version, "starting version " + version}) {
					t.Errorf("version %s: the pods say %q", version, got)
				}
			}
			// Its claims outlive it and its release.
			list, err := e.dyn.Resource(schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
			check(t, err)
			if len(list.Items) != 2 {
				t.Errorf("%d claims, want 2", len(list.Items))
			}
		})
	}
}

// A DaemonSet is healthy when each node has its pod; nobody waits for a budget, a
// CronJob's next run, or an autoscaler that has nothing to measure. A broken one
// is diagnosed like any workload, and put back.
func TestDaemonSetAndWhatNobodyWaitsFor(t *testing.T) {
	e := newEnv(t)
	agent := func(container string) apply.Unit {
		return apply.Unit{Name: "agent", Objects: []*unstructured.Unstructured{
			e.account("agent"),
			e.object("agent", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: agent}\nspec: {minAvailable: 1, selector: {matchLabels: {app.kubernetes.io/name: agent}}}"),
			e.made("agent", "batch/v1", "CronJob", "agent", map[string]any{"spec": map[string]any{
				"schedule": "0 3 * * *",
				"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
					"restartPolicy": "Never", "containers": []any{map[string]any{"name": "agent", "image": e.image}},
				}}}},
			}}),
			e.object("agent", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec:\n  template:\n    spec:\n"+e.pod("agent", servesHTTP+container, "")),
		}}
	}
	res := e.mustDeploy(agent(""), e.scaled(service{}))
	for _, u := range res.Units {
		if u.Pods != (apply.Pods{Wanted: 1, Updated: 1, Ready: 1}) {
			t.Errorf("%s: pods %+v", u.Name, u.Pods)
		}
	}
	broken, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{agent("env: [{name: EXIT, value: \"1\"}]"), e.scaled(service{})}}, nil)
	if broken.Outcome != apply.RolledBack {
		t.Fatalf("%s, %v", broken.Outcome, err)
	}
	if d := broken.Diagnoses(); len(d) != 1 || d[0].Code != apply.CodeCrashLoop || d[0].Object.Kind != "DaemonSet" {
		t.Errorf("diagnoses %+v", d)
	}
	if s := e.status("agent"); !s.Ready || s.Pods.Ready != 1 {
		t.Errorf("status %+v", s)
	}
}
