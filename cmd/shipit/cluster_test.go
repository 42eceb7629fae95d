package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	"k8s.io/client-go/tools/clientcmd"
)

// testCluster is the sandbox that all tests of a run share.
type testCluster struct {
	kubeconfig, registry, sandbox string
	client                        dynamic.Interface
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
		},
	})
}

func (c *testCluster) setup(env *testscript.Env) error {
	if err := setup(env); err != nil {
		return err
	}
	ns := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"), "-")
	ns = fmt.Sprintf("%s-%d", ns, os.Getpid())
	env.Setenv("NS", ns)
	env.Setenv("SANDBOX", c.sandbox)
	env.Setenv("KUBECONFIG", c.kubeconfig)
	env.Setenv("SHIPIT_NAMESPACE", ns)
	env.Setenv("SHIPIT_REGISTRY", c.registry+"/"+ns)
	env.Defer(func() {
		namespaces := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
		_ = namespaces.Delete(context.Background(), ns, metav1.DeleteOptions{})
	})
	return nil
}

// resources are the kinds that an app may leave behind in a namespace.
var resources = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "services"},
}

func (c *testCluster) list(ts *testscript.TestScript, r schema.GroupVersionResource) []unstructured.Unstructured {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := c.client.Resource(r).Namespace(ts.Getenv("NS")).List(ctx, metav1.ListOptions{})
	ts.Check(err)
	return list.Items
}

// versions prints every object of the namespace with its resourceVersion.
func (c *testCluster) versions(ts *testscript.TestScript, _ bool, _ []string) {
	for _, r := range resources {
		for _, o := range c.list(ts, r) {
			if r.Resource == "serviceaccounts" && o.GetName() == "default" {
				continue // the namespace's own
			}
			fmt.Fprintln(ts.Stdout(), r.Resource, o.GetName(), o.GetResourceVersion())
		}
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
	for _, l := range lines {
		fmt.Fprintln(ts.Stdout(), l)
	}
}

// fetch prints what the URL in the named file answers: `fetch url.txt [PATH]`.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	url := strings.TrimSpace(ts.ReadFile(args[0])) + strings.Join(args[1:], "")
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		if !neg {
			ts.Fatalf("%v", err)
		}
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if neg == (resp.StatusCode < 400) {
		ts.Fatalf("%s: %s\n%s", url, resp.Status, body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// until waits until a file has a line that matches: `until FILE REGEXP`. It is
// how a script waits for a program in the background to say something.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(data) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s never matched %s", args[0], args[1])
}
