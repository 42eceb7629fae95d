package apply_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/testimage"
)

// env is one test's namespace on the real cluster, whose kubeconfig and registry
// the environment names. Without them the tests are skipped, unless
// SHIPIT_REQUIRE_NODE says that there must be a cluster.
type env struct {
	*testing.T
	ctx   context.Context
	cfg   *rest.Config
	dyn   dynamic.Interface
	ns    string
	image string
	owner apply.Owner

	kubeconfig string // for children
}

// patience is longer than a machine that compiles everything for the first time takes
// for anything: a test that waits for it has failed.
const patience = 15 * time.Minute

// testImage is built and pushed once for all tests.
var testImage = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return testimage.Push(ctx, os.Getenv("SHIPIT_TEST_REGISTRY"), "apply-test")
})

func newEnv(t *testing.T) *env {
	t.Helper()
	t.Parallel()
	kubeconfig := os.Getenv("SHIPIT_TEST_KUBECONFIG")
	if kubeconfig == "" || os.Getenv("SHIPIT_TEST_REGISTRY") == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
			t.Fatal("SHIPIT_TEST_KUBECONFIG and SHIPIT_TEST_REGISTRY must name a cluster")
		}
		t.Skip("SHIPIT_TEST_KUBECONFIG and SHIPIT_TEST_REGISTRY name no cluster")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	dyn, err := dynamic.NewForConfig(cfg)
	check(t, err)
	image, err := testImage()
	check(t, err)
	var b [3]byte
	_, _ = rand.Read(b[:])
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	e := &env{T: t, ctx: ctx, cfg: cfg, kubeconfig: kubeconfig, dyn: dyn, ns: "apply-" + hex.EncodeToString(b[:]), image: image}
	e.owner = apply.Owner{App: "shop", Namespace: e.ns, Source: "example.com/shop", By: "ann@test"}
	t.Cleanup(func() {
		err := dyn.Resource(namespaces).Delete(context.Background(), e.ns, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return e
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	secrets     = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	accounts    = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	replicaSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	leases      = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
)

func (e *env) client() *apply.Client {
	e.Helper()
	c, err := apply.New(e.cfg, e.owner)
	check(e.T, err)
	return c
}

// service is a service's unit in the making.
type service struct {
	name     string
	image    string
	replicas int
	env      map[string]string
	config   string // a ConfigMap that the container's env refers to
	memory   string
	command  string
	noProbe  bool
}

func (e *env) unit(s service) apply.Unit {
	e.Helper()
	if s.name == "" {
		s.name = "web"
	}
	if s.image == "" {
		s.image = e.image
	}
	if s.replicas == 0 {
		s.replicas = 1
	}
	if s.memory == "" {
		s.memory = "64Mi"
	}
	var vars strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.env)) {
		fmt.Fprintf(&vars, "        - {name: %s, value: %q}\n", k, s.env[k])
	}
	if s.config != "" {
		fmt.Fprintf(&vars, "        - {name: FROM, valueFrom: {configMapKeyRef: {name: %s, key: k}}}\n", s.config)
	}
	if vars.Len() == 0 {
		vars.WriteString("        - {name: NONE, value: \"\"}\n")
	}
	command := ""
	if s.command != "" {
		command = fmt.Sprintf("        command: [%q]\n", s.command)
	}
	readiness := "        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1, failureThreshold: 2}\n"
	minReady := 0
	if s.noProbe {
		readiness, minReady = "", 60 // longer than a busy node takes to see that it ended
	}
	labels := fmt.Sprintf("{app.kubernetes.io/name: %s, app.kubernetes.io/part-of: %s, app.kubernetes.io/managed-by: shipit}", s.name, e.owner.App)
	meta := fmt.Sprintf("{name: %s, namespace: %s, labels: %s}", s.name, e.ns, labels)
	docs := []string{
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: " + meta + "\nautomountServiceAccountToken: false\n",
		"apiVersion: v1\nkind: Service\nmetadata: " + meta + "\nspec: {type: ClusterIP, selector: {app.kubernetes.io/name: " + s.name + "}, ports: [{name: http, port: 80, targetPort: http}]}\n",
		`
apiVersion: apps/v1
kind: Deployment
metadata: ` + meta + `
spec:
  minReadySeconds: ` + fmt.Sprint(minReady) + `
  replicas: ` + fmt.Sprint(s.replicas) + `
  selector: {matchLabels: {app.kubernetes.io/name: ` + s.name + `, app.kubernetes.io/part-of: ` + e.owner.App + `}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: ` + labels + `}
    spec:
      serviceAccountName: ` + s.name + `
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 5
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: ` + s.name + `
        image: ` + s.image + `
` + command + `        env:
` + vars.String() + `        ports: [{name: http, containerPort: 8080}]
` + readiness + `        resources: {requests: {cpu: 1m, memory: ` + s.memory + `}, limits: {memory: ` + s.memory + `}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`,
	}
	u := apply.Unit{Name: s.name}
	for _, doc := range docs {
		o := &unstructured.Unstructured{}
		check(e.T, yaml.Unmarshal([]byte(doc), &o.Object))
		u.Objects = append(u.Objects, o)
	}
	return u
}

// deploy deploys and logs the events.
func (e *env) deploy(ctx context.Context, req apply.Request, sink func(apply.Event)) (*apply.Result, error) {
	e.Helper()
	res, err := e.client().Deploy(ctx, req, func(ev apply.Event) {
		e.log(ev)
		if sink != nil {
			sink(ev)
		}
	})
	e.Logf("%s in %s: %v", res.Outcome, res.Took.Round(time.Millisecond), err)
	return res, err
}

func (e *env) log(ev apply.Event) {
	line := fmt.Sprintf("%6.2fs %s", ev.Elapsed.Seconds(), ev.Kind)
	if ev.Unit != "" {
		line += " " + ev.Unit
	}
	if ev.Object != nil {
		line += fmt.Sprintf(" %s %s", ev.Action, ev.Object)
	}
	if ev.Pods != (apply.Pods{}) {
		line += fmt.Sprintf(" %d/%d ready, %d updated", ev.Pods.Ready, ev.Pods.Wanted, ev.Pods.Updated)
	}
	if ev.Deadline > 0 {
		line += " at most " + ev.Deadline.String()
	}
	if ev.Message != "" {
		line += ": " + ev.Message
	}
	if ev.Diagnosis != nil {
		line += fmt.Sprintf(": %s\n  logs %q\n  events %q", ev.Diagnosis, ev.Diagnosis.Logs, ev.Diagnosis.Events)
	}
	if ev.Err != nil {
		line += ": " + ev.Err.Error()
	}
	e.Log(line)
}

// mustDeploy deploys units and wants them deployed.
func (e *env) mustDeploy(units ...apply.Unit) *apply.Result {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: units}, nil)
	check(e.T, err)
	if res.Outcome != apply.Deployed {
		e.Fatalf("outcome %s, want deployed", res.Outcome)
	}
	return res
}

// versions maps everything in the namespace that a deploy may write to what it
// is, status excepted: a controller may write that at any time, as it does to
// ReplicaSets and pods, which are not counted.
func (e *env) versions() map[string]string {
	e.Helper()
	return e.things(deployments, services, accounts, configMaps, secrets, leases)
}

// things maps the objects of some resources, but for pods that are on their way
// out, to what they are.
func (e *env) things(resources ...schema.GroupVersionResource) map[string]string {
	e.Helper()
	out := map[string]string{}
	for _, r := range resources {
		list, err := e.dyn.Resource(r).Namespace(e.ns).List(e.ctx, metav1.ListOptions{})
		check(e.T, err)
		for _, o := range list.Items {
			if o.GetKind() != "Pod" || o.GetDeletionTimestamp() == nil {
				out[o.GetKind()+" "+o.GetName()] = written(&o)
			}
		}
	}
	return out
}

// written changes when anybody writes to an object other than to its status.
func written(o *unstructured.Unstructured) string {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "status")
	o.SetResourceVersion("")
	o.SetManagedFields(slices.DeleteFunc(o.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Subresource == "status" }))
	data, _ := json.Marshal(o.Object)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:4])
}

// left lists what is in the namespace beside what every namespace has.
func (e *env) left() []string {
	var out []string
	for name := range e.things(deployments, replicaSets, pods, services, accounts, configMaps, secrets, leases) {
		if name != "ServiceAccount default" && name != "ConfigMap kube-root-ca.crt" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// podState is what must not change when old pods are to keep serving.
type podState struct {
	UID      string
	Restarts int32
	Image    string
}

// pods returns the running pods of a service, by name.
func (e *env) pods(name string) map[string]podState {
	e.Helper()
	list, err := e.dyn.Resource(pods).Namespace(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	check(e.T, err)
	out := map[string]podState{}
	for i := range list.Items {
		var p corev1.Pod
		check(e.T, fromUnstructured(&list.Items[i], &p))
		if p.DeletionTimestamp != nil {
			continue
		}
		s := podState{UID: string(p.UID), Image: p.Spec.Containers[0].Image}
		for _, c := range p.Status.ContainerStatuses {
			s.Restarts += c.RestartCount
		}
		out[p.Name] = s
	}
	return out
}

// samePods fails unless the same pods run as before, none restarted, waiting for
// others to go away.
func (e *env) samePods(name string, before map[string]podState) {
	e.Helper()
	e.eventually(pods, func() (string, bool) {
		now := e.pods(name)
		for pod, was := range before {
			if now[pod] != was {
				e.Fatalf("pod %s was %+v, is %+v", pod, was, now[pod])
			}
		}
		return fmt.Sprintf("%d pods, want %d", len(now), len(before)), len(now) == len(before)
	})
}

// eventually watches a resource until ok says so.
func (e *env) eventually(r schema.GroupVersionResource, ok func() (string, bool)) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	w, err := e.dyn.Resource(r).Namespace(e.ns).Watch(ctx, metav1.ListOptions{})
	check(e.T, err)
	defer w.Stop()
	for {
		why, done := ok()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			e.Fatal(why)
		case ev := <-w.ResultChan():
			if ev.Type == watch.Error || ev.Type == "" {
				e.Fatalf("watch ended: %s", why)
			}
		}
	}
}

// history returns the releases of one unit.
func (e *env) history(name string) ([]apply.Release, error) {
	units, err := e.client().History(e.ctx, name)
	if err != nil {
		return nil, err
	}
	return units[0].Releases, nil
}

func (e *env) status(name string) apply.UnitStatus {
	e.Helper()
	s, err := e.client().Status(e.ctx)
	check(e.T, err)
	for _, u := range s.Units {
		if u.Name == name {
			return u
		}
	}
	e.Fatalf("no unit %s in %+v", name, s)
	return apply.UnitStatus{}
}

// polls asks again and again until ok says so, for what cannot be watched.
func (e *env) polls(ok func() (string, bool)) {
	e.Helper()
	why, done := "", false
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if why, done = ok(); done {
			return
		}
	}
	e.Fatal(why)
}
