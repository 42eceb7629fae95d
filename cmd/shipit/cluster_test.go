package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long a test waits for what comes, however slow the machine is.
const patience = 15 * time.Minute

// testCluster is the sandbox that all tests of a run share.
type testCluster struct {
	kubeconfig, registry, sandbox string
	context, uid                  string // what the kubeconfig calls it, and what tells it from others
	client                        dynamic.Interface
	rest                          rest.Interface
}

// requireCluster returns the sandbox that SHIPIT_TEST_* name. Without one a test
// is skipped, and failed where the real node is required.
func requireCluster(t *testing.T) *testCluster {
	t.Helper()
	c := &testCluster{
		kubeconfig: os.Getenv("SHIPIT_TEST_KUBECONFIG"),
		registry:   os.Getenv("SHIPIT_TEST_REGISTRY"),
		sandbox:    os.Getenv("SHIPIT_TEST_SANDBOX"),
	}
	if c.kubeconfig == "" || c.registry == "" || c.sandbox == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") != "" {
			t.Fatal("no test cluster: SHIPIT_TEST_KUBECONFIG, SHIPIT_TEST_REGISTRY or SHIPIT_TEST_SANDBOX is not set")
		}
		t.Skip("no test cluster: run `make e2e`")
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	if c.client, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	core, err := corev1.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c.rest = core.RESTClient()
	raw, err := clientcmd.LoadFromFile(c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	system, err := core.Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.context, c.uid = raw.CurrentContext, string(system.UID)
	return c
}

// TestCluster runs what a user types and sees on a real cluster. Every script
// has a namespace of its own, which is removed after it.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script/cluster",
		Setup:               c.setup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     code,
			"pods":     c.pods,
			"versions": c.versions,
			"fetch":    fetch,
			"until":    until,
			"load":     load,
			"http":     httpRequest,
			"field":    field,
			"see":      see,

			"eventually": eventually,
			"kube":       c.kube,
			"objects":    c.objects,
			"holds":      c.holds,
			"image":      c.image,
		},
	})
}

func (c *testCluster) setup(env *testscript.Env) error {
	if err := setup(env); err != nil {
		return err
	}
	ns := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"), "-")
	ns = fmt.Sprintf("%s-%d", ns, os.Getpid())
	steady := &steadyLoad{}
	env.Values[loadKey{}] = steady
	env.Defer(steady.end)
	guarded := httptest.NewServer(http.HandlerFunc(refuse))
	env.Defer(guarded.Close)
	env.Setenv("GUARDED", strings.TrimPrefix(guarded.URL, "http://"))
	env.Setenv("NS", ns)
	env.Setenv("SANDBOX", c.sandbox)
	env.Setenv("CONTEXT", c.context)
	env.Setenv("CLUSTER", c.uid)
	env.Setenv("KUBECONFIG", c.kubeconfig)
	env.Setenv("SHIPIT_NAMESPACE", ns)
	env.Setenv("SHIPIT_REGISTRY", c.registry+"/"+ns)
	env.Defer(func() {
		namespaces := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
		_ = namespaces.Delete(context.Background(), ns, metav1.DeleteOptions{})
	})
	return nil
}

// refuse is a registry that lets nobody in.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Basic realm="guarded"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// resources are the kinds that an app may leave behind in a namespace.
var resources = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "persistentvolumeclaims"},
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "resourcequotas"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "services"},
}

func (c *testCluster) list(ts *testscript.TestScript, r schema.GroupVersionResource) []unstructured.Unstructured {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := c.client.Resource(r).Namespace(ts.Getenv("NS")).List(ctx, metav1.ListOptions{})
	ts.Check(err)
	return list.Items
}

// all lists the namespace: resource, name and resourceVersion of each object.
func (c *testCluster) all(ts *testscript.TestScript) [][3]string {
	var out [][3]string
	for _, r := range resources {
		for _, o := range c.list(ts, r) {
			if r.Resource == "serviceaccounts" && o.GetName() == "default" || o.GetName() == "kube-root-ca.crt" {
				continue // the namespace's own
			}
			out = append(out, [3]string{r.Resource, o.GetName(), o.GetResourceVersion()})
		}
	}
	return out
}

// versions prints every object of the namespace with its resourceVersion.
func (c *testCluster) versions(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout() // asked for once, or what was printed before stays when this prints nothing
	for _, line := range c.all(ts) {
		fmt.Fprintln(out, line[0], line[1], line[2])
	}
}

// pods prints each running pod of the namespace: name, UID, and restarts.
func (c *testCluster) pods(ts *testscript.TestScript, _ bool, _ []string) {
	var lines []string
	for _, pod := range c.list(ts, schema.GroupVersionResource{Version: "v1", Resource: "pods"}) {
		if pod.GetDeletionTimestamp() != nil {
			continue
		}
		restarts := int64(0)
		statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
		for _, s := range statuses {
			n, _, _ := unstructured.NestedInt64(s.(map[string]any), "restartCount")
			restarts += n
		}
		lines = append(lines, fmt.Sprintf("%s %s %d", pod.GetName(), pod.GetUID(), restarts))
	}
	slices.Sort(lines)
	out := ts.Stdout()
	for _, l := range lines {
		fmt.Fprintln(out, l)
	}
}

// fetch asks the URL in the named file until its answer matches:
// `fetch FILE REGEXP`. A Service follows its pods a moment later (kube-proxy
// gathers changes for a second), and nothing tells when it has.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch FILE REGEXP")
	}
	url := strings.TrimSpace(ts.ReadFile(args[0]))
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	matches(ts, args[1], func() string {
		resp, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("%s %v\n%s", resp.Status, err, body)
		}
		return string(body)
	})
}

// until waits until a file has a line that matches: `until FILE REGEXP`. It is
// how a script waits for a program in the background to say something.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE REGEXP")
	}
	matches(ts, args[1], func() string {
		data, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		return string(data)
	})
}

// matches asks again until the answer matches.
func matches(ts *testscript.TestScript, pattern string, ask func() string) {
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if last = ask(); re.MatchString(last) {
			return
		}
	}
	ts.Fatalf("nothing matched %s; the last answer was\n%s", pattern, last)
}
