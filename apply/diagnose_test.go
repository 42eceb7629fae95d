package apply_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

// blame is what a diagnosis must say, before the deadline of the wait.
type blame struct {
	code    apply.Code
	unit    string
	object  string
	field   string
	message []string
	pod     bool
	exit    int32 // 0 has none
	log     string
	hint    string
}

// wants deploys units, of which one must fail as told. planned is called before
// the first Deployment is written.
func (b blame) wants(e *env, deployer *env, planned func(), units ...apply.Unit) {
	e.Helper()
	if planned != nil {
		before := *deployer
		before.cfg = rest.CopyConfig(deployer.cfg)
		once := sync.OnceFunc(planned)
		before.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" && strings.Contains(req.URL.Path, "/deployments/") {
					once()
				}
				return next.RoundTrip(req)
			})
		})
		deployer = &before
	}
	var waiting, deadline, failed time.Duration
	_, err := deployer.deploy(e.ctx, apply.Request{Units: units, NoRollback: true}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventWaiting:
			if ev.Unit == b.unit {
				waiting, deadline = ev.Elapsed, ev.Deadline
			}
		case apply.EventFailed:
			failed = ev.Elapsed
		}
	})
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || len(rollout.Diagnoses) == 0 {
		e.Fatalf("error %v", err)
	}
	d := rollout.Diagnoses[0]
	if d.Code != b.code || d.Unit != b.unit || d.Object.String() != b.object || d.Field != b.field || (d.Pod != "") != b.pod {
		e.Errorf("diagnosis %+v", d)
	}
	for _, m := range b.message {
		if !strings.Contains(d.Message, m) {
			e.Errorf("message %q, want %q", d.Message, m)
		}
	}
	if !strings.Contains(d.Hint, b.hint) {
		e.Errorf("hint %q, want %q", d.Hint, b.hint)
	}
	if b.exit != 0 && (d.ExitCode == nil || *d.ExitCode != b.exit) {
		e.Errorf("exit code %v, want %d", d.ExitCode, b.exit)
	}
	if b.log != "" && !slices.Contains(d.Logs, b.log) {
		e.Errorf("logs %q, want %q", d.Logs, b.log)
	}
	e.Logf("said after %s: %s", failed-waiting, d)
	if failed-waiting >= deadline {
		e.Errorf("said only at the deadline, after %s", deadline)
	}
}

// deploysBlind is a user who may not make pods, nor see quotas: nothing is found
// before the rollout.
func (e *env) deploysBlind() *env {
	e.Helper()
	return e.as("blind",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps", "services", "serviceaccounts", "persistentvolumeclaims"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "events"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps", "batch"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
	)
}

func TestDiagnoseAdmission(t *testing.T) {
	t.Parallel()
	const quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {requests.memory: 40Mi}}"
	unit := map[string]func(*env) apply.Unit{
		"Deployment web":     func(e *env) apply.Unit { return e.deployment("web", "2", "", "") },
		"StatefulSet web":    func(e *env) apply.Unit { return e.statefulSet("web", 2, "", "") },
		"Job web-0123456789": func(e *env) apply.Unit { return e.job("web", "parallelism: 2", "") },
	}
	for object, make := range unit {
		t.Run("quota, "+object, func(t *testing.T) {
			e := newEnv(t)
			e.namespace(nil, quota)
			b := blame{
				code: apply.CodeQuotaExceeded, unit: "web", object: object, field: "resources.memory",
				message: []string{"exceeded quota team", "requests.memory 32Mi", "8Mi of 40Mi are left"}, hint: "raise the quota",
			}
			b.wants(e, e.deploysBlind(), nil, make(e))
		})
		t.Run("pod security, "+object, func(t *testing.T) {
			e := newEnv(t)
			e.namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
			u := make(e)
			w := u.Objects[len(u.Objects)-1]
			check(t, unstructured.SetNestedField(w.Object, false, "spec", "template", "spec", "securityContext", "runAsNonRoot"))
			b := blame{
				code: apply.CodeAdmissionDenied, unit: "web", object: object, field: "security",
				message: []string{"violates PodSecurity", "runAsNonRoot"}, hint: "pod security",
			}
			b.wants(e, e.deploysBlind(), nil, u)
		})
	}
	t.Run("pod security, DaemonSet web", func(t *testing.T) {
		e := newEnv(t)
		e.namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
		set := e.object("web", "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"+e.pod("web", servesHTTP, ""))
		check(t, unstructured.SetNestedField(set.Object, false, "spec", "template", "spec", "securityContext", "runAsNonRoot"))
		b := blame{
			code: apply.CodeAdmissionDenied, unit: "web", object: "DaemonSet web", field: "security",
			message: []string{"violates PodSecurity", "runAsNonRoot"}, hint: "pod security",
		}
		b.wants(e, e.deploysBlind(), nil, apply.Unit{Name: "web", Objects: []*unstructured.Unstructured{e.account("web"), set}})
	})
}

// Of a StatefulSet with ordered pods the first that breaks is named, in its first
// release and in a later one.
func TestDiagnoseStatefulSet(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.statefulSet("db", 2, "", ""))
	b := blame{
		code: apply.CodeCrashLoop, unit: "db", object: "StatefulSet db", field: "command", pod: true, exit: 3,
		message: []string{"exited with code 3"}, log: "fatal: told to exit with 3",
	}
	b.wants(e, e, nil, e.statefulSet("db", 2, "", "env: [{name: EXIT, value: \"3\"}]\n"))
	s := e.status("db")
	if s.Ready || s.Pods.Wanted != 2 || s.Pods.Ready != 1 || s.Diagnosis == nil || s.Diagnosis.Pod != "db-1" {
		t.Errorf("status %+v", s)
	}
	// By itself it would stay broken: the next release takes the pod away.
	e.mustDeploy(e.statefulSet("db", 2, "", "env: [{name: VERSION, value: \"3\"}]\n"))
}

func TestDiagnoseJob(t *testing.T) {
	t.Parallel()
	t.Run("fails", func(t *testing.T) {
		e := newEnv(t)
		b := blame{
			code: apply.CodeJobFailed, unit: "migrate", object: "Job migrate-0123456789", field: "command", pod: true, exit: 4,
			message: []string{"exited with code 4"}, log: "fatal: told to exit with 4",
		}
		b.wants(e, e, nil, e.job("migrate", "backoffLimit: 0", "env: [{name: EXIT, value: \"4\"}]"))
	})
	t.Run("runs too long", func(t *testing.T) {
		e := newEnv(t)
		b := blame{
			code: apply.CodeJobFailed, unit: "migrate", object: "Job migrate-0123456789", field: "command",
			message: []string{"deadline"},
		}
		b.wants(e, e, nil, e.job("migrate", "activeDeadlineSeconds: 2", ""))
	})
	t.Run("an init container fails", func(t *testing.T) {
		e := newEnv(t)
		u := e.job("migrate", "backoffLimit: 0", "")
		e.addInit(u, "4")
		b := blame{
			code: apply.CodeJobFailed, unit: "migrate", object: "Job migrate-0123456789", field: "command", pod: true, exit: 4,
			message: []string{"exited with code 4"}, log: "fatal: told to exit with 4",
		}
		b.wants(e, e, nil, u)
	})
}

// addInit gives the unit's workload an init container that exits with code.
func (e *env) addInit(u apply.Unit, code string) {
	e.Helper()
	w := u.Objects[len(u.Objects)-1].Object
	containers, _, err := unstructured.NestedSlice(w, "spec", "template", "spec", "containers")
	check(e.T, err)
	init := map[string]any{"name": "prepare", "env": []any{map[string]any{"name": "EXIT", "value": code}}}
	for _, k := range []string{"image", "resources", "securityContext"} {
		init[k] = containers[0].(map[string]any)[k]
	}
	check(e.T, unstructured.SetNestedSlice(w, []any{init}, "spec", "template", "spec", "initContainers"))
}

func TestDiagnoseInit(t *testing.T) {
	e := newEnv(t)
	u := e.deployment("web", "1", "", "")
	e.addInit(u, "5")
	b := blame{
		code: apply.CodeCrashLoop, unit: "web", object: "Deployment web", field: "command", pod: true, exit: 5,
		message: []string{"exited with code 5"}, log: "fatal: told to exit with 5",
	}
	b.wants(e, e, nil, u)
}

func TestDiagnoseVolumes(t *testing.T) {
	t.Parallel()
	t.Run("a class without a provisioner", func(t *testing.T) {
		e := newEnv(t)
		u := e.claiming(e.storageClass("example.com/nobody"))
		b := blame{
			code: apply.CodeVolumePending, unit: "web", object: "Deployment web", field: "volumes.data", pod: true,
			message: []string{"claim web-data is pending", "example.com/nobody"},
		}
		b.wants(e, e, nil, u)
	})
	t.Run("no such class", func(t *testing.T) {
		e := newEnv(t)
		u := e.claiming("nowhere")
		b := blame{
			code: apply.CodeVolumePending, unit: "web", object: "Deployment web", field: "volumes.data", pod: true,
			message: []string{"claim web-data is pending", `"nowhere" not found`},
		}
		b.wants(e, e, nil, u)
	})
	t.Run("no such class, of a StatefulSet", func(t *testing.T) {
		e := newEnv(t)
		u := e.statefulSet("db", 1, "", "")
		claims, _, _ := unstructured.NestedSlice(u.Objects[3].Object, "spec", "volumeClaimTemplates")
		check(t, unstructured.SetNestedField(claims[0].(map[string]any), "nowhere", "spec", "storageClassName"))
		check(t, unstructured.SetNestedSlice(u.Objects[3].Object, claims, "spec", "volumeClaimTemplates"))
		b := blame{
			code: apply.CodeVolumePending, unit: "db", object: "StatefulSet db", field: "volumes.data", pod: true,
			message: []string{"claim data-db-0 is pending", `"nowhere" not found`},
		}
		b.wants(e, e, nil, u)
	})
}

// storageClass makes a class whose volumes are bound when a pod is placed.
func (e *env) storageClass(provisioner string) string {
	e.Helper()
	all, err := kubernetes.NewForConfig(e.cfg)
	check(e.T, err)
	if provisioner == "" {
		classes, err := all.StorageV1().StorageClasses().List(e.ctx, metav1.ListOptions{})
		check(e.T, err)
		provisioner = classes.Items[0].Provisioner
	}
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	_, err = all.StorageV1().StorageClasses().Create(e.ctx, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: e.ns}, Provisioner: provisioner, VolumeBindingMode: &mode}, metav1.CreateOptions{})
	check(e.T, err)
	e.Cleanup(func() {
		check(e.T, all.StorageV1().StorageClasses().Delete(context.Background(), e.ns, metav1.DeleteOptions{}))
	})
	return e.ns
}

func (e *env) claiming(class string) apply.Unit {
	e.Helper()
	u := e.deployment("web", "1", "volumeMounts: [{name: data, mountPath: /data}]", "volumes: [{name: data, persistentVolumeClaim: {claimName: web-data}}]")
	u.Objects = append(u.Objects, e.object("web", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: web-data}\nspec: {storageClassName: "+class+", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}"))
	return u
}

// A claim that is bound only when its pod is placed keeps nobody waiting, in a
// deploy and in an unchanged one.
func TestClaimWaitsForItsPod(t *testing.T) {
	e := newEnv(t)
	u := e.claiming(e.storageClass(""))
	e.mustDeploy(u)
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
	if err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("again: %s, %v", res.Outcome, err)
	}
}

func TestDiagnoseUnschedulable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, container, pod string
		field                string
		message              string
	}{
		{"more cpu than the node has", "env: [{name: A, value: b}]", "", "resources.cpu", "a pod asks for 900 cpu, and no node that it may run on has more than"},
		{"a node that is not there", "", "nodeSelector: {disk: ssd}", "placement", "didn't match Pod's node affinity/selector"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			u := e.deployment("web", "1", tt.container, tt.pod)
			if tt.pod == "" {
				w := u.Objects[1].Object
				containers, _, _ := unstructured.NestedSlice(w, "spec", "template", "spec", "containers")
				check(t, unstructured.SetNestedField(containers[0].(map[string]any), "900", "resources", "requests", "cpu"))
				check(t, unstructured.SetNestedSlice(w, containers, "spec", "template", "spec", "containers"))
			}
			b := blame{code: apply.CodeUnschedulable, unit: "web", object: "Deployment web", field: tt.field, pod: true, message: []string{tt.message}}
			b.wants(e, e, nil, u)
		})
	}
}

// What is taken away between the plan and the pod's start.
func TestDiagnoseConfigMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, container, pod string
		field                string
		message              []string
		gone                 func(context.Context, kubernetes.Interface, string) error
	}{
		{
			"a key", "env: [{name: OTHER, valueFrom: {secretKeyRef: {name: theirs, key: user}}}, {name: PASSWORD, valueFrom: {secretKeyRef: {name: theirs, key: password}}}]", "",
			"env.PASSWORD", []string{"couldn't find key password", "theirs"},
			func(ctx context.Context, all kubernetes.Interface, ns string) error {
				_, err := all.CoreV1().Secrets(ns).Patch(ctx, "theirs", types.JSONPatchType, []byte(`[{"op":"remove","path":"/data/password"}]`), metav1.PatchOptions{})
				return err
			},
		},
		{
			"a Secret in a volume", "volumeMounts: [{name: certs, mountPath: /certs}]", "volumes: [{name: certs, secret: {secretName: theirs}}]",
			"volumes.certs", []string{`secret "theirs" not found`},
			func(ctx context.Context, all kubernetes.Interface, ns string) error {
				return all.CoreV1().Secrets(ns).Delete(ctx, "theirs", metav1.DeleteOptions{})
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			all := e.namespace(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: theirs}\nstringData: {user: u, password: p}")
			b := blame{code: apply.CodeConfigMissing, unit: "web", object: "Deployment web", field: tt.field, pod: true, message: tt.message}
			b.wants(e, e, func() { check(t, tt.gone(e.ctx, all, e.ns)) }, e.deployment("web", "1", tt.container, tt.pod))
		})
	}
}

func TestDiagnoseImagePull(t *testing.T) {
	t.Parallel()
	t.Run("a digest that is not there", func(t *testing.T) {
		e := newEnv(t)
		repo, _, _ := strings.Cut(e.image, "@")
		e.image = repo + "@sha256:" + strings.Repeat("0", 64)
		b := blame{code: apply.CodeImagePull, unit: "web", object: "Deployment web", field: "image", pod: true, message: []string{"not found"}}
		b.wants(e, e, nil, e.deployment("web", "1", "", ""))
	})
	// A registry on the node's loopback that wants credentials: a pod in the
	// node's network.
	t.Run("credentials refused", func(t *testing.T) {
		e := newEnv(t)
		all := e.namespace(nil)
		e.registry(all, "127.0.0.1:5987")
		e.image = "127.0.0.1:5987/private@sha256:" + strings.Repeat("0", 64)
		b := blame{
			code: apply.CodeImagePull, unit: "web", object: "Deployment web", field: "image", pod: true,
			message: []string{"nauthorized"}, hint: "pull",
		}
		b.wants(e, e, nil, e.deployment("web", "1", "", ""))
	})
}

// registry runs a registry that refuses everybody, at an address of the node.
func (e *env) registry(all kubernetes.Interface, address string) {
	e.Helper()
	_, port, err := net.SplitHostPort(address)
	check(e.T, err)
	_, err = all.CoreV1().Pods(e.ns).Create(e.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "registry-" + port},
		Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{
			Name: "registry", Image: e.image,
			Env: []corev1.EnvVar{{Name: "LISTEN", Value: address}, {Name: "UNAUTHORIZED", Value: "1"}},
		}}},
	}, metav1.CreateOptions{})
	check(e.T, err)
	e.eventually(pods, func() (string, bool) {
		p, err := all.CoreV1().Pods(e.ns).Get(e.ctx, "registry-"+port, metav1.GetOptions{})
		check(e.T, err)
		return "the registry does not run", p.Status.Phase == corev1.PodRunning
	})
}
