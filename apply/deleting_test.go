package apply_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/shipit-dev/shipit/apply"
)

// held puts a finalizer on a ConfigMap that nobody removes before the test ends.
func (e *env) held(name string) {
	e.Helper()
	patch := func(ctx context.Context, body string) error {
		_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "somebody"})
		return err
	}
	check(e.T, patch(e.ctx, `{"metadata":{"finalizers":["example.com/hold"]}}`))
	e.Cleanup(func() { _ = patch(context.Background(), `{"metadata":{"finalizers":null}}`) })
}

// released removes that finalizer, as the hint says.
func (e *env) released(name string) {
	e.Helper()
	_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Patch(e.ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	check(e.T, err)
}

func (e *env) configMap(unit, name string) *unstructured.Unstructured {
	return e.object(unit, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+"}\ndata: {k: "+name+"}")
}

// warned deploys and returns what was warned of, with the reasons.
func (e *env) warned(req apply.Request) (string, *apply.Result, error) {
	e.Helper()
	var said []string
	res, err := e.deploy(e.ctx, req, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			said = append(said, ev.Message)
			if ev.Err != nil {
				said = append(said, ev.Err.Error())
			}
		}
	})
	return strings.Join(said, "\n"), res, err
}

func outcomeOf(res *apply.Result, unit string) apply.Outcome {
	for _, u := range res.Units {
		if u.Name == unit {
			return u.Outcome
		}
	}
	return ""
}

// What a finalizer keeps of a unit that is no longer wanted, or of one that is, does
// not make a failure of a deploy whose services are healthy; it is said, with who
// holds it, within the timeout and at the next deploy.
func TestFinalizerKeepsWhatIsPruned(t *testing.T) {
	const holds = "finalizer example.com/hold (set by somebody) still holds it"
	e := newEnv(t)
	app := apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{e.configMap(apply.AppUnit, "big")}}
	e.mustDeploy(app, with(e.podless("web", "1"), e.configMap("web", "extra")))
	e.held("big")
	e.held("extra")

	web := apply.Request{Units: []apply.Unit{e.podless("web", "1")}, Timeout: 2 * time.Second}
	said, res, err := e.warned(web)
	if err != nil || res.Outcome != apply.Deployed || outcomeOf(res, "web") != apply.Deployed || outcomeOf(res, apply.AppUnit) != apply.Removed {
		t.Errorf("%+v, %v", res, err)
	}
	if strings.Count(said, holds) < 2 || res.Took > 30*time.Second {
		t.Errorf("warned in %s of %q", res.Took, said)
	}
	e.isAt("web", 2)
	said, res, err = e.warned(web)
	if err != nil || res.Outcome != apply.Unchanged || strings.Count(said, holds) != 2 {
		t.Errorf("again: %s, %v, %q", res.Outcome, err, said)
	}

	// Wanted again, it is refused, and the way out works.
	said, res, err = e.warned(apply.Request{Units: []apply.Unit{with(e.podless("web", "1"), e.configMap("web", "extra"))}})
	var deleting *apply.DeletingError
	if !errors.As(err, &deleting) || res.Outcome != apply.Refused || !strings.Contains(err.Error(), holds) || !strings.Contains(deleting.Hint(), "patch configmap extra --type=merge") {
		t.Errorf("wanted again: %s, %v, %q", res.Outcome, err, said)
	}
	e.released("extra")
	if _, res, err = e.warned(apply.Request{Units: []apply.Unit{with(e.podless("web", "1"), e.configMap("web", "extra"))}}); err != nil || res.Outcome != apply.Deployed {
		t.Errorf("then: %s, %v", res.Outcome, err)
	}
}

// Of what waits for its dependents to go, as after kubectl delete --cascade=foreground,
// the finalizer is named, and nobody is told to take it away.
func TestForegroundDeletionIsSaid(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(with(e.podless("web", "1"), e.configMap("web", "extra")))
	owner := e.get(configMaps, "extra")
	held := e.configMap("web", "dependent")
	held.SetLabels(nil)
	blocks := true
	held.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "extra", UID: owner.GetUID(), BlockOwnerDeletion: &blocks}})
	_, err := e.dyn.Resource(configMaps).Namespace(e.ns).Create(e.ctx, held, metav1.CreateOptions{})
	check(t, err)
	e.held("dependent")
	foreground := metav1.DeletePropagationForeground
	check(t, e.dyn.Resource(configMaps).Namespace(e.ns).Delete(e.ctx, "extra", metav1.DeleteOptions{PropagationPolicy: &foreground}))
	const holds = "its finalizer foregroundDeletion still holds it"
	said, res, err := e.warned(apply.Request{Units: []apply.Unit{e.podless("web", "1")}})
	if err != nil || res.Outcome != apply.Unchanged || !strings.Contains(said, holds) {
		t.Errorf("not wanted: %s, %v, %q", res.Outcome, err, said)
	}
	_, res, err = e.warned(apply.Request{Units: []apply.Unit{with(e.podless("web", "1"), e.configMap("web", "extra"))}})
	var deleting *apply.DeletingError
	if !errors.As(err, &deleting) || res.Outcome != apply.Refused || !strings.Contains(err.Error(), holds) || strings.Contains(deleting.Hint(), "patch") {
		t.Errorf("wanted: %s, %v, hint %q", res.Outcome, err, deleting.Hint())
	}
}

// A deletion that a finalizer holds up has failed, however often it is tried, and
// the units that are gone are said to be.
func TestFinalizerKeepsWhatIsDeleted(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(with(e.podless("api", "1"), e.configMap("api", "held")), e.podless("web", "1"))
	e.held("held")
	for range 2 {
		res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Timeout: 2 * time.Second}, e.log)
		var deleting *apply.DeletingError
		if !errors.As(err, &deleting) || res.Outcome != apply.Failed || outcomeOf(res, "api") != apply.Failed || outcomeOf(res, "web") != apply.Removed || res.Took > 30*time.Second {
			t.Errorf("%+v, %v", res, err)
		}
	}
	e.released("held")
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Errorf("then: %s, %v", res.Outcome, err)
	}
}

// A claim that somebody else's pod uses says which.
func TestClaimInUseIsSaid(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(with(e.podless("web", "1"), e.object("web", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}")))
	all, err := kubernetes.NewForConfig(e.cfg)
	check(t, err)
	_, err = all.CoreV1().Pods(e.ns).Create(e.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Spec: corev1.PodSpec{
		SchedulerName: "nobody", // it stays, and runs nothing
		NodeName:      "nowhere",
		Containers:    []corev1.Container{{Name: "c", Image: e.image}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}},
	}}, metav1.CreateOptions{})
	check(t, err)
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Claims: true, Timeout: 2 * time.Second}, e.log)
	if err == nil || res.Outcome != apply.Failed || !strings.Contains(err.Error(), "it is used by Pod theirs") {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	check(t, all.CoreV1().Pods(e.ns).Delete(e.ctx, "theirs", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
}

// A unit whose deletion is refused is still there: the services are deployed, and
// the deploy has failed to do what was asked.
func TestRemovalIsRefused(t *testing.T) {
	e := newEnv(t)
	app := apply.Unit{Name: apply.AppUnit, Objects: []*unstructured.Unstructured{e.configMap(apply.AppUnit, "big")}}
	e.mustDeploy(app, e.podless("web", "1"))
	refusing := *e
	cfg := *e.cfg
	refusing.cfg = &cfg
	refusing.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Method != http.MethodDelete || !strings.HasSuffix(req.URL.Path, "/configmaps/big") {
				return next.RoundTrip(req)
			}
			body := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"admission webhook \"keep.example.com\" denied the request: keep it","reason":"Forbidden","code":403}`
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body)), Request: req}, nil
		})
	})
	res, err := refusing.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "2")}}, nil)
	if err == nil || res.Outcome != apply.Failed || outcomeOf(res, "web") != apply.Deployed || outcomeOf(res, apply.AppUnit) != apply.Failed || !strings.Contains(err.Error(), "keep it") {
		t.Errorf("%+v, %v", res, err)
	}
	e.isAt("web", 2)
	if res := e.mustDeploy(e.podless("web", "2")); outcomeOf(res, apply.AppUnit) != apply.Removed {
		t.Errorf("again: %+v", res)
	}
}
