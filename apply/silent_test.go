package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/apply"
)

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
)

// ownCluster moves the test to a control plane of its own, for what would disturb
// the others: no namespace goes while an API is silent.
func (e *env) ownCluster() {
	e.Helper()
	program := os.Getenv("SHIPIT_SANDBOX")
	if program == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
			e.Fatal("SHIPIT_SANDBOX must name the program")
		}
		e.Skip("SHIPIT_SANDBOX names no program")
	}
	run := func(ctx context.Context, args ...string) []byte {
		out, err := exec.CommandContext(ctx, program, args...).Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w\n%s", err, failed.Stderr)
		}
		check(e.T, err)
		return out
	}
	name := e.ns
	e.Cleanup(func() { run(context.Background(), "down", name) })
	run(e.ctx, "up", "--control-plane-only", name)
	cfg, err := clientcmd.RESTConfigFromKubeConfig(run(e.ctx, "kubeconfig", name))
	check(e.T, err)
	e.cfg = cfg
	e.dyn, err = dynamic.NewForConfig(cfg)
	check(e.T, err)
}

func (e *env) create(r schema.GroupVersionResource, text string) {
	e.Helper()
	o := &unstructured.Unstructured{}
	check(e.T, yaml.Unmarshal([]byte(text), &o.Object))
	_, err := e.dyn.Resource(r).Create(e.ctx, o, metav1.CreateOptions{})
	check(e.T, err)
}

// served waits until discovery says that the group answers, is silent, or gone.
func (e *env) served(group string, want string) {
	e.Helper()
	dc, err := discovery.NewDiscoveryClientForConfig(e.cfg)
	check(e.T, err)
	gv := schema.GroupVersion{Group: group, Version: "v1"}
	e.polls(func() (string, bool) {
		_, answers, silent, err := dc.GroupsAndMaybeResources()
		check(e.T, err)
		is := "gone"
		switch {
		case silent[gv] != nil:
			is = "silent"
		case answers[gv] != nil:
			is = "answers"
		}
		return fmt.Sprintf("%s is %s, want %s", group, is, want), is == want
	})
}

// An aggregated API whose server is down hides what there is of its kinds. Who has
// none of them is not kept from anything but from calling a namespace empty.
func TestSilentAPI(t *testing.T) {
	e := newEnv(t)
	e.ownCluster()
	const group = "widgets.example.com"
	e.create(definitions, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.`+group+`}
spec:
  group: `+group+`
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`)
	e.served(group, "answers")
	web := e.podless("web", "1")
	widget := e.object("web", "apiVersion: "+group+"/v1\nkind: Widget\nmetadata: {name: gauge}")
	e.mustDeploy(with(web, widget))
	check(t, e.dyn.Resource(definitions).Delete(e.ctx, "widgets."+group, metav1.DeleteOptions{}))
	e.served(group, "gone")
	e.polls(func() (string, bool) { // the one that the API server made for the definition
		_, err := e.dyn.Resource(apiServices).Get(e.ctx, "v1."+group, metav1.GetOptions{})
		return "its APIService is still there", apierrors.IsNotFound(err)
	})
	e.create(apiServices, `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.`+group+`}
spec:
  group: `+group+`
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nowhere}
`)
	e.served(group, "silent")

	// Neither a deploy without the object nor a deletion can tell what it leaves.
	before := e.versions()
	refused := func(what string, res *apply.Result, err error) {
		t.Helper()
		var silent *apply.SilentAPIError
		if !errors.As(err, &silent) || silent.Group != group+"/v1" || silent.Kind != "Widget" || res.Outcome != apply.Refused {
			t.Errorf("%s: %s, %v", what, res.Outcome, err)
		}
	}
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web}}, nil)
	refused("prune", res, err)
	res, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{with(web, widget)}}, nil)
	refused("deploy", res, err)
	res, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	refused("delete", res, err)
	if after := e.versions(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}

	// Another app is deployed and deleted, but for its namespace.
	other := e.next("mail")
	other.mustDeploy(other.podless("web", "1"))
	var warned []string
	res, err = other.client().Delete(e.ctx, apply.DeleteRequest{}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned = append(warned, ev.Message)
		}
	})
	if err != nil || res.Outcome != apply.Removed || len(warned) != 1 || !strings.Contains(warned[0], "namespace "+other.ns+" was kept") || !strings.Contains(warned[0], group+"/v1 does not answer") {
		t.Errorf("%s, %v, %q", res.Outcome, err, warned)
	}
	if left := other.left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	check(t, e.dyn.Resource(apiServices).Delete(e.ctx, "v1."+group, metav1.DeleteOptions{}))
	e.served(group, "gone")
	res, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || res.Outcome != apply.Removed {
		t.Errorf("when it is removed: %s, %v", res.Outcome, err)
	}
}
