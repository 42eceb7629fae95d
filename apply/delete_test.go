package apply_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

func TestRollbackTo(t *testing.T) {
	e := newEnv(t)
	for _, v := range []string{"1", "2", "3"} {
		e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": v}}))
	}
	version := func() string {
		o, err := e.dyn.Resource(deployments).Namespace(e.ns).Get(e.ctx, "web", metav1.GetOptions{})
		check(t, err)
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["env"].([]any)[0].(map[string]any)["value"].(string)
	}
	for _, step := range []struct {
		to, release int
		version     string
	}{{0, 2, "2"}, {3, 3, "3"}, {1, 1, "1"}} {
		res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"web"}, To: step.to}, e.log)
		check(t, err)
		if res.Outcome != apply.Deployed || res.Units[0].Release != step.release || version() != step.version {
			t.Errorf("to %d: %s, release %d, version %s", step.to, res.Outcome, res.Units[0].Release, version())
		}
	}
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: 1}, nil)
	if err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("to where it is: %s, %v", res.Outcome, err)
	}
	var none *apply.NoReleaseError
	if res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: 9}, nil); !errors.As(err, &none) || res.Outcome != apply.Refused {
		t.Errorf("to 9: %s, %v", res.Outcome, err)
	}
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, nil); !errors.As(err, &none) {
		t.Errorf("before the first: %v", err)
	}
	var unknown *apply.UnknownUnitError
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{Units: []string{"wep"}}, nil); !errors.As(err, &unknown) {
		t.Errorf("unknown: %v", err)
	}
	// Numbers go on from the highest that was given.
	if res := e.mustDeploy(e.unit(service{env: map[string]string{"VERSION": "4"}})); res.Units[0].Release != 4 {
		t.Errorf("release %d, want 4", res.Units[0].Release)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{name: "api"}), e.unit(service{name: "web"}))
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"api"}}, e.log)
	check(t, err)
	if res.Outcome != apply.Removed {
		t.Fatalf("outcome %s", res.Outcome)
	}
	for _, left := range e.left() {
		if strings.Contains(left, " api") {
			t.Errorf("left of api: %s", left)
		}
	}
	if s := e.status("web"); !s.Ready {
		t.Errorf("web: %+v", s)
	}
	res, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	check(t, err)
	if res.Outcome != apply.Removed {
		t.Fatalf("outcome %s", res.Outcome)
	}
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace is there: %v", err)
	}
	res, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("again: %s, %v", res.Outcome, err)
	}
}

// A namespace in which somebody else has something is kept, as is one that was
// there before.
func TestDeleteKeepsWhatIsNotOurs(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}))
	_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Create(e.ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "theirs"},
	}}, metav1.CreateOptions{})
	check(t, err)
	_, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	check(t, err)
	if left := e.left(); !slices.Equal(left, []string{"ConfigMap theirs"}) {
		t.Errorf("left: %v", left)
	}
}

// A deletion waits for the pods of what it deleted, through what their controllers
// made, and for nobody else's: not for a Job made by hand, nor for its pods, though
// they have the service's labels.
func TestDeleteWaitsForItsOwn(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.unit(service{}), e.cronJob("report"))
	jobs := e.dyn.Resource(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}).Namespace(e.ns)
	run := func(name string, owner *unstructured.Unstructured) {
		t.Helper()
		o := e.job(name, "", "").Objects[1]
		o.SetName(name)
		o.SetLabels(nil)
		check(t, unstructured.SetNestedField(o.Object, "report", "spec", "template", "metadata", "labels", "app.kubernetes.io/name"))
		check(t, unstructured.SetNestedField(o.Object, "report", "spec", "template", "spec", "serviceAccountName"))
		if owner != nil {
			o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner, owner.GroupVersionKind())})
		}
		_, err := jobs.Create(e.ctx, o, metav1.CreateOptions{})
		check(t, err)
	}
	cron, err := e.dyn.Resource(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}).Namespace(e.ns).Get(e.ctx, "report", metav1.GetOptions{})
	check(t, err)
	run("by-hand", nil)
	run("by-schedule", cron)
	e.eventually(pods, func() (string, bool) {
		n := len(e.pods("report"))
		return fmt.Sprintf("%d pods", n), n == 2
	})
	var warned []string
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, func(ev apply.Event) {
		if e.log(ev); ev.Kind == apply.EventWarning {
			warned = append(warned, ev.Message)
		}
	})
	check(t, err)
	if res.Outcome != apply.Removed { // and not waited for what nobody deletes
		t.Errorf("%s in %s", res.Outcome, res.Took)
	}
	left := slices.Collect(maps.Keys(e.pods("report")))
	if len(left) != 1 || !strings.HasPrefix(left[0], "by-hand-") {
		t.Errorf("pods left: %v", left)
	}
	if len(warned) != 3 || !strings.Contains(warned[0], "Pod "+strings.Join(left, "")) || !strings.Contains(warned[1], "Job by-hand") || !strings.Contains(warned[2], "was kept: it has ") {
		t.Errorf("warned of %q", warned)
	}
	for _, name := range e.left() {
		if !strings.HasPrefix(name, "Pod by-hand-") {
			t.Errorf("left: %s", name)
		}
	}
}

// A service that the project no longer has is removed by a deploy of all, not by
// a deploy of one, and not when it came from another project.
func TestPrune(t *testing.T) {
	e := newEnv(t)
	api, web := e.unit(service{name: "api"}), e.unit(service{name: "web"})
	e.mustDeploy(api, web)
	other := *e
	other.owner.Source = "example.com/other"
	res, err := other.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{name: "mail"})}}, nil)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("other: %s, %v", res.Outcome, err)
	}
	if res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{web}, Only: []string{"web"}}, nil); err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("only web: %s, %v", res.Outcome, err)
	}
	e.status("api")
	res = e.mustDeploy(web)
	if i := slices.IndexFunc(res.Units, func(u apply.UnitResult) bool { return u.Name == "api" }); i < 0 || res.Units[i].Outcome != apply.Removed {
		t.Errorf("units %+v", res.Units)
	}
	for _, left := range e.left() {
		if strings.Contains(left, " api") {
			t.Errorf("left of api: %s", left)
		}
	}
	e.status("web")
	e.status("mail")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := l.Addr().String()
	check(t, l.Close())
	c, err := apply.New(&rest.Config{Host: "https://" + addr}, apply.Owner{App: "a", Namespace: "b"})
	check(t, err)
	var unreachable *apply.UnreachableError
	res, err := c.Deploy(t.Context(), apply.Request{}, nil)
	if !errors.As(err, &unreachable) || unreachable.Host != "https://"+addr || res.Outcome != apply.Refused {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
}

func TestUnauthorized(t *testing.T) {
	e := newEnv(t)
	cfg := rest.AnonymousClientConfig(e.cfg)
	cfg.BearerToken = "nonsense"
	c, err := apply.New(cfg, e.owner)
	check(t, err)
	var unauthorized *apply.UnauthorizedError
	if _, err := c.Deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}}, nil); !errors.As(err, &unauthorized) {
		t.Errorf("error %v", err)
	}
}

func TestForbidden(t *testing.T) {
	e := newEnv(t)
	cfg := rest.CopyConfig(e.cfg)
	cfg.Impersonate.UserName = "nobody@example.com"
	c, err := apply.New(cfg, e.owner)
	check(t, err)
	var forbidden *apply.ForbiddenError
	_, err = c.Deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{})}}, nil)
	if !errors.As(err, &forbidden) || forbidden.Verb == "" || forbidden.Resource == "" || forbidden.Namespace != e.ns {
		t.Errorf("error %v: %+v", err, forbidden)
	}
}
