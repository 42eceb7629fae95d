package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
)

// onCluster gives a client with a namespace of its own on the real cluster.
func onCluster(t *testing.T) (context.Context, *Client) {
	t.Helper()
	kubeconfig := os.Getenv("SHIPIT_TEST_KUBECONFIG")
	if kubeconfig == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
			t.Fatal("SHIPIT_TEST_KUBECONFIG must name a cluster")
		}
		t.Skip("SHIPIT_TEST_KUBECONFIG names no cluster")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	var b [3]byte
	_, _ = rand.Read(b[:])
	c, err := New(cfg, Owner{App: "app", Namespace: "compare-" + hex.EncodeToString(b[:])})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.owner.Namespace}}
	_, err = c.core.Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		must(t, c.core.Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}))
	})
	return ctx, c
}

// pair is an object as it was applied and as it is wanted now. Workloads have no
// replicas, so that nothing runs.
type pair struct {
	name    string
	applied string
	desired string // "" is applied again
	same    bool   // what the server says: applying desired changes nothing
	costs   bool   // compare cannot tell, so that a dry run is needed
}

const deploymentHead = `
apiVersion: apps/v1
kind: Deployment
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
`

func podOfPair(text string) string { return deploymentHead + indent(text, 6) }

func containerOfPair(text string) string {
	return deploymentHead + "      containers:\n      - name: web\n        image: example.com/web\n" + indent(text, 8)
}

func statefulSetOfPair(claim string) string {
	return `
apiVersion: apps/v1
kind: StatefulSet
spec:
  replicas: 0
  serviceName: web-headless
  selector: {matchLabels: {app: web}}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data, labels: {app: web}}
    spec: ` + claim + "\n"
}

func jobOfPair(pod string) string {
	return `
apiVersion: batch/v1
kind: Job
spec:
  suspend: true
  backoffLimit: 2
  template:
    metadata: {labels: {app: web}}
    spec:
      restartPolicy: Never
` + indent(pod, 6)
}

func specOfPair(apiVersion, kind, spec string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nspec:\n" + indent(spec, 2)
}

func topOfPair(apiVersion, kind, text string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\n" + text + "\n"
}

func pairs() []pair {
	const (
		c  = "containers: [{name: web, image: example.com/web}]\n"
		np = "networking.k8s.io/v1"
	)
	return []pair{
		{name: "cpu 1000m is 1", applied: containerOfPair("resources: {requests: {cpu: 1000m}}"), desired: containerOfPair(`resources: {requests: {cpu: "1"}}`), same: true},
		{name: "memory 1Gi is 1024Mi", applied: containerOfPair("resources: {requests: {memory: 1Gi}, limits: {memory: 1024Mi}}"), desired: containerOfPair("resources: {requests: {memory: 1024Mi}, limits: {memory: 1Gi}}"), same: true},
		{name: "memory 1G is not 1Gi", applied: containerOfPair("resources: {requests: {memory: 1Gi}}"), desired: containerOfPair("resources: {requests: {memory: 1G}}")},
		{name: "an empty struct", applied: containerOfPair("securityContext: {}\nresources: {}"), same: true},
		{name: "an empty struct is dropped", applied: containerOfPair("securityContext: {}"), desired: containerOfPair("workingDir: \"\""), same: false},
		{name: "an empty list", applied: containerOfPair("args: []\nenv: []"), same: true},
		{name: "null", applied: containerOfPair("args: null\nsecurityContext: null"), same: true},
		{name: "protocol defaulted", applied: containerOfPair("ports: [{name: http, containerPort: 80}]"), same: true},
		{name: "one number, two protocols", applied: containerOfPair("ports: [{name: a, containerPort: 53, protocol: TCP}, {name: b, containerPort: 53, protocol: UDP}]"), same: true},
		{name: "a port renamed", applied: containerOfPair("ports: [{name: http, containerPort: 80}]"), desired: containerOfPair("ports: [{name: web, containerPort: 80}]")},
		{name: "a port renumbered", applied: containerOfPair("ports: [{name: http, containerPort: 80}]"), desired: containerOfPair("ports: [{name: http, containerPort: 81}]")},
		{name: "an env with an empty value", applied: containerOfPair(`env: [{name: A, value: ""}, {name: B}]`), same: true},
		{name: "an env emptied", applied: containerOfPair(`env: [{name: A, value: x}]`), desired: containerOfPair(`env: [{name: A, value: ""}]`)},
		{name: "env in another order", applied: containerOfPair(`env: [{name: A, value: x}, {name: B, value: z}]`), desired: containerOfPair(`env: [{name: B, value: z}, {name: A, value: x}]`)},
		{name: "a value becomes a reference", applied: containerOfPair(`env: [{name: A, value: x}]`), desired: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]`)},
		{name: "references", applied: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: B, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]`), same: true},
		{name: "a reference to another key", applied: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]`), desired: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: l}}}]`)},
		{name: "a reference becomes optional", applied: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]`), desired: containerOfPair(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}]`)},
		{name: "envFrom, whole", applied: containerOfPair(`envFrom: [{secretRef: {name: s}}, {configMapRef: {name: c}, prefix: P_}]`), same: true},
		{name: "envFrom in another order", applied: containerOfPair(`envFrom: [{secretRef: {name: s}}, {configMapRef: {name: c}}]`), desired: containerOfPair(`envFrom: [{configMapRef: {name: c}}, {secretRef: {name: s}}]`)},
		{name: "args in another order", applied: containerOfPair("args: [a, b]"), desired: containerOfPair("args: [b, a]")},
		{name: "capabilities, whole", applied: containerOfPair("securityContext: {capabilities: {drop: [ALL], add: [CHOWN]}}"), same: true},
		{name: "probes with defaults", applied: containerOfPair("readinessProbe: {httpGet: {path: /, port: http}}\nlivenessProbe: {tcpSocket: {port: 80}}\nstartupProbe: {exec: {command: [a]}}\nports: [{name: http, containerPort: 80}]"), same: true},
		{name: "a zero that means the default", applied: containerOfPair("livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 0}"), same: true, costs: true},
		{name: "a port by name is not one by number", applied: containerOfPair("readinessProbe: {httpGet: {path: /, port: 80}}"), desired: containerOfPair(`readinessProbe: {httpGet: {path: /, port: p80}}`)},
		{name: "preStop", applied: containerOfPair("lifecycle: {preStop: {sleep: {seconds: 3}}}"), same: true},
		{name: "a field no longer wanted", applied: containerOfPair("readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 2}"), desired: containerOfPair("readinessProbe: {httpGet: {path: /, port: 80}}")},
		{name: "a defaulted field no longer wanted", applied: containerOfPair("readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 10}"), desired: containerOfPair("readinessProbe: {httpGet: {path: /, port: 80}}")},
		{name: "volumes of every sort", applied: podOfPair(c + `
volumes:
- {name: a, emptyDir: {}}
- {name: b, emptyDir: {medium: Memory, sizeLimit: 1024Mi}}
- {name: c, configMap: {name: x, items: [{key: k, path: p}]}}
- {name: d, secret: {secretName: x, defaultMode: 288}}
- {name: e, persistentVolumeClaim: {claimName: x}}
- {name: f, projected: {sources: [{secret: {name: x, items: [{key: k, path: p}]}}, {configMap: {name: x}}, {serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}]}}
`), same: true},
		{name: "a projected source less", applied: podOfPair(c + "volumes: [{name: f, projected: {sources: [{secret: {name: x}}, {configMap: {name: z}}]}}]"), desired: podOfPair(c + "volumes: [{name: f, projected: {sources: [{secret: {name: x}}]}}]")},
		{name: "volumes in another order", applied: podOfPair(c + "volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]"), desired: podOfPair(c + "volumes: [{name: b, emptyDir: {}}, {name: a, emptyDir: {}}]")},
		{name: "an emptyDir becomes a claim", applied: podOfPair(c + "volumes: [{name: a, emptyDir: {}}]"), desired: podOfPair(c + "volumes: [{name: a, persistentVolumeClaim: {claimName: x}}]")},
		{name: "pull secrets", applied: podOfPair(c + "imagePullSecrets: [{name: a}, {name: b}]\nsecurityContext: {runAsNonRoot: true, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}"), same: true},
		{name: "a container more", applied: podOfPair(c), desired: podOfPair("containers: [{name: web, image: example.com/web}, {name: b, image: example.com/b}]")},
		{name: "a rolling update by number and by percent", applied: containerOfPair("args: [a]") + "  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: \"0%\"}}\n", same: true},
		{name: "a number becomes a percentage", applied: containerOfPair("args: [a]") + "  strategy: {rollingUpdate: {maxSurge: 1}}\n", desired: containerOfPair("args: [a]") + "  strategy: {rollingUpdate: {maxSurge: \"1%\"}}\n"},
		{name: "RollingUpdate becomes Recreate", applied: containerOfPair("args: [a]") + "  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}\n", desired: containerOfPair("args: [a]") + "  strategy: {type: Recreate}\n"},

		{name: "claim templates", applied: statefulSetOfPair("{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"), desired: statefulSetOfPair("{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}"), same: true},
		{name: "claim templates with a class", applied: statefulSetOfPair("{storageClassName: fast, accessModes: [ReadWriteOnce, ReadOnlyMany], resources: {requests: {storage: 1Gi}}}"), same: true},

		{name: "a Job", applied: jobOfPair(c), same: true},
		{name: "a Job that is not suspended any more", applied: jobOfPair(c), desired: strings.Replace(jobOfPair(c), "suspend: true", "suspend: false\n  parallelism: 0", 1)},

		{name: "service ports", applied: specOfPair("v1", "Service", "selector: {app: web}\nports: [{name: a, port: 80, targetPort: http}, {name: b, port: 53, protocol: UDP}, {name: c, port: 53}]"), same: true},
		{name: "a headless service", applied: specOfPair("v1", "Service", "clusterIP: None\npublishNotReadyAddresses: true\nselector: {app: web}\nports: [{name: a, port: 80}]"), same: true},
		{name: "another target", applied: specOfPair("v1", "Service", "selector: {app: web}\nports: [{port: 80, targetPort: http}]"), desired: specOfPair("v1", "Service", "selector: {app: web}\nports: [{port: 80, targetPort: 8080}]")},
		{name: "a service port less", applied: specOfPair("v1", "Service", "selector: {app: web}\nports: [{name: a, port: 80}, {name: b, port: 81}]"), desired: specOfPair("v1", "Service", "selector: {app: web}\nports: [{name: a, port: 80}]")},
		{name: "another selector", applied: specOfPair("v1", "Service", "selector: {app: web}\nports: [{port: 80}]"), desired: specOfPair("v1", "Service", "selector: {app: api}\nports: [{port: 80}]")},

		{name: "a service account", applied: topOfPair("v1", "ServiceAccount", "automountServiceAccountToken: false\nimagePullSecrets: [{name: a}]"), same: true},
		{name: "a token is mounted", applied: topOfPair("v1", "ServiceAccount", "automountServiceAccountToken: false"), desired: topOfPair("v1", "ServiceAccount", "automountServiceAccountToken: true")},

		{name: "a ConfigMap", applied: topOfPair("v1", "ConfigMap", "immutable: true\ndata: {a: \"1\", b: \"\"}\nbinaryData: {c: AAE=}"), same: true},
		{name: "a key less", applied: topOfPair("v1", "ConfigMap", "data: {a: \"1\", b: \"2\"}"), desired: topOfPair("v1", "ConfigMap", "data: {a: \"1\"}")},
		{name: "a Secret", applied: topOfPair("v1", "Secret", "type: Opaque\ndata: {a: eA==, b: \"\"}"), same: true},
		{name: "stringData", applied: topOfPair("v1", "Secret", "stringData: {a: x}\ndata: {a: eQ==, b: eg==}"), desired: topOfPair("v1", "Secret", "data: {a: eA==, b: eg==}"), same: true},
		{name: "another stringData", applied: topOfPair("v1", "Secret", "stringData: {a: x}"), desired: topOfPair("v1", "Secret", "stringData: {a: z}")},

		{name: "a claim", applied: specOfPair("v1", "PersistentVolumeClaim", "storageClassName: none\naccessModes: [ReadWriteOnce]\nresources: {requests: {storage: 1Gi}}"), desired: specOfPair("v1", "PersistentVolumeClaim", "storageClassName: none\naccessModes: [ReadWriteOnce]\nresources: {requests: {storage: 1024Mi}}"), same: true},
		{name: "a claim of the default class", applied: specOfPair("v1", "PersistentVolumeClaim", "accessModes: [ReadWriteOnce]\nresources: {requests: {storage: 1Mi}}"), same: true},

		{name: "an Ingress", applied: specOfPair(np, "Ingress", "ingressClassName: nginx\ntls: [{hosts: [a.example.com], secretName: t}]\nrules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]"), same: true},
		{name: "another path", applied: specOfPair(np, "Ingress", "rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]"), desired: specOfPair(np, "Ingress", "rules: [{http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]")},

		{name: "a NetworkPolicy", applied: specOfPair(np, "NetworkPolicy", "podSelector: {matchLabels: {app: db}}\npolicyTypes: [Ingress]\ningress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}]"), same: true},
		{name: "a NetworkPolicy for all", applied: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 80, protocol: UDP}, {port: 80, endPort: 90}]}]"), same: true},
		{name: "from anywhere is not from nowhere", applied: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{ports: [{port: 80}]}]"), desired: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{}]")},
		{name: "a protocol written out", applied: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{ports: [{port: 80}]}]"), desired: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{ports: [{port: 80, protocol: TCP}]}]"), same: true},
		{name: "an empty selector in a peer is not none", applied: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]"), desired: specOfPair(np, "NetworkPolicy", "podSelector: {}\ningress: [{from: [{podSelector: {}, namespaceSelector: {}}]}]")},

		{name: "a quota", applied: specOfPair("v1", "ResourceQuota", "hard: {requests.cpu: 8000m, requests.memory: 16Gi, pods: 40}"), desired: specOfPair("v1", "ResourceQuota", `hard: {requests.cpu: "8", requests.memory: 16384Mi, pods: "40"}`), same: true},
		{name: "a smaller quota", applied: specOfPair("v1", "ResourceQuota", `hard: {pods: "40"}`), desired: specOfPair("v1", "ResourceQuota", `hard: {pods: "39"}`)},
	}
}

// The comparison agrees with the server: it never misses a change, and says of
// what is the same, by itself, that it is.
func TestCompareAgrees(t *testing.T) {
	t.Parallel()
	ctx, c := onCluster(t)
	for i, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			object := func(text string) *unstructured.Unstructured {
				o := parse(t, text)
				o.SetName(fmt.Sprintf("pair-%d", i))
				o.SetNamespace(c.owner.Namespace)
				return o
			}
			applied := object(p.applied)
			desired := applied
			if p.desired != "" {
				desired = object(p.desired)
			}
			r, err := c.resource(refOf(applied))
			must(t, err)
			_, err = r.Apply(ctx, applied.GetName(), applied, metav1.ApplyOptions{FieldManager: c.owner.Manager()})
			must(t, err)
			agree(ctx, t, c, desired, p.same, p.costs)
		})
	}
}

// agree compares desired with what is there, and with what a dry run says.
func agree(ctx context.Context, t *testing.T, c *Client, desired *unstructured.Unstructured, same, costs bool) {
	t.Helper()
	r, err := c.resource(refOf(desired))
	must(t, err)
	for {
		live, err := r.Get(ctx, desired.GetName(), metav1.GetOptions{})
		must(t, err)
		owned, ok := ownedFields(live, c.owner.Manager())
		if !ok {
			t.Fatal("the manager owns nothing")
		}
		var found []string
		for _, p := range compare(desired, live, owned) {
			found = append(found, p.String())
		}
		slices.Sort(found)
		// By force, because a conflict is a change too.
		dry, err := r.Apply(ctx, desired.GetName(), desired, metav1.ApplyOptions{FieldManager: c.owner.Manager(), Force: true, DryRun: []string{metav1.DryRunAll}})
		must(t, err)
		if dry.GetResourceVersion() != live.GetResourceVersion() {
			continue // a controller wrote between
		}
		if server := sameObject(dry, live, c.owner.Manager()); server != same {
			t.Errorf("the server says that it is the same: %v, want %v\nlive %v\ndry  %v", server, same, content(live), content(dry))
		}
		if mine := len(found) == 0; mine != (same && !costs) {
			t.Errorf("compare found %q", found)
		}
		return
	}
}

// A field that another manager changed is a change, one of fields that are not
// ours is none.
func TestCompareAgreesAfterOthers(t *testing.T) {
	t.Parallel()
	ctx, c := onCluster(t)
	ours := parse(t, containerOfPair("args: [a]\nenv: [{name: A, value: x}]"))
	ours.SetNamespace(c.owner.Namespace)
	patch := func(name, body string) {
		t.Helper()
		ours.SetName(name)
		r, err := c.resource(refOf(ours))
		must(t, err)
		_, err = r.Apply(ctx, name, ours, metav1.ApplyOptions{FieldManager: c.owner.Manager()})
		must(t, err)
		_, err = r.Patch(ctx, name, "application/strategic-merge-patch+json", []byte(body), metav1.PatchOptions{FieldManager: "somebody"})
		must(t, err)
	}
	for _, tt := range []struct {
		name, patch string
		same        bool
	}{
		{"a value", `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"y"}]}]}}}}`, false},
		{"replicas", `{"spec":{"replicas":1,"paused":true}}`, false},
		{"a field removed", `{"spec":{"template":{"spec":{"containers":[{"name":"web","args":null}]}}}}`, false},
		{"an env of theirs", `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"B","value":"y"}]}]}}}}`, true},
		{"a container of theirs", `{"spec":{"template":{"spec":{"containers":[{"name":"sidecar","image":"example.com/x"}]}}}}`, true},
		{"an annotation of theirs", `{"metadata":{"annotations":{"a":"b"}},"spec":{"template":{"metadata":{"annotations":{"restarted":"now"}}}}}`, true},
		{"a default of theirs", `{"spec":{"revisionHistoryLimit":3}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			patch(strings.ReplaceAll(tt.name, " ", "-"), tt.patch)
			agree(ctx, t, c, ours, tt.same, false)
		})
	}
}
