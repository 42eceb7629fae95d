package apply_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
)

var budgets = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}

// budget is an object of a kind that an app seldom has.
func (e *env) budget(unit string) *unstructured.Unstructured {
	return e.made(unit, "policy/v1", "PodDisruptionBudget", unit, map[string]any{"spec": map[string]any{
		"maxUnavailable": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": unit}},
	}})
}

// mine lists what of the owner's app is in the namespace.
func (e *env) mine() []string {
	e.Helper()
	return slices.DeleteFunc(e.left(), func(s string) bool {
		_, name, _ := strings.Cut(s, " ")
		return name != "shipit-"+e.owner.App && name != e.owner.App &&
			!strings.HasPrefix(name, "shipit-"+e.owner.App+"-") && !strings.HasPrefix(name, e.owner.App+"-")
	})
}

// A first deploy, or a deletion, that was killed at any of its writing requests is
// cleaned up by a deletion: nothing of it is left, and the second one has nothing to do.
func TestDeleteAfterKillAtEachWrite(t *testing.T) {
	t.Parallel()
	for _, deletes := range []bool{false, true} {
		t.Run(map[bool]string{false: "first deploy", true: "deletion"}[deletes], func(t *testing.T) {
			e := newEnv(t)
			e.namespace(nil)
			matrix(t, func(n int) bool {
				e.owner.App = fmt.Sprintf("shop%d", n)
				units := []apply.Unit{e.podless(e.owner.App, "1")}
				if deletes {
					_, err := e.client().Deploy(e.ctx, apply.Request{Units: units}, nil)
					check(t, err)
				}
				_, code := e.killedAt(n, false, childDeploy{Units: units, Delete: deletes})
				res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, nil)
				if err != nil || res.Outcome != apply.Removed && res.Outcome != apply.Unchanged {
					t.Errorf("killed at %d, deleted: %s, %v", n, res.Outcome, err)
				}
				if left := e.mine(); len(left) > 0 {
					t.Errorf("killed at %d: %s, left %q", n, res.Outcome, left)
				}
				return code == childDone
			})
		})
	}
}

// The namespace that a killed first deploy had made goes, too, whatever it had done
// in it; of what a stopped command left, the status tells.
func TestDeleteRemovesTheNamespaceOfAKilledDeploy(t *testing.T) {
	e := newEnv(t)
	// The namespace, the Lease; the third is the index.
	e.killedAt(3, false, childDeploy{Units: []apply.Unit{e.podless("web", "1")}})
	s, err := e.client().Status(e.ctx)
	check(t, err)
	if len(s.Units) != 0 || len(s.Left) != 1 || s.Left[0].Kind != "Lease" {
		t.Errorf("status %+v", s)
	}
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || res.Outcome != apply.Removed {
		t.Errorf("deleted: %s, %v", res.Outcome, err)
	}
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace is there: %v", err)
	}
}

// foreignLease is one of a deploy that ran elsewhere, and was last moved at its creation.
func (e *env) foreignLease(deploy string, seconds int64) {
	e.Helper()
	_, err := e.dyn.Resource(leases).Namespace(e.ns).Create(e.ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": map[string]any{
			"name":   "shipit-" + e.owner.App + "-" + deploy,
			"labels": map[string]any{"shipit.dev/app": e.owner.App, "shipit.dev/state": "lease", "shipit.dev/deploy": deploy},
			"annotations": map[string]any{
				"shipit.dev/format-version": "1", "shipit.dev/process": "another-machine/pid:[1] 1 1",
			},
		},
		"spec": map[string]any{"holderIdentity": "ci@runner", "leaseDurationSeconds": seconds},
	}}, metav1.CreateOptions{})
	check(e.T, err)
}

// The Leases of deploys that were killed on other machines go: with a deploy, once
// they have been still for long by the API server's time; with the app, once they were
// seen to be still. Then the namespace goes, even if another app was the first in it.
func TestForeignLeasesGo(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.foreignLease("killed", 1)
	e.polls(func() (string, bool) {
		_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", fmt.Sprint(time.Now().UnixNano()))}}, nil)
		check(t, err)
		left := e.things(leases)
		return fmt.Sprintf("Leases %v", left), len(left) == 0
	})
	other := *e
	other.owner.App = "pay"
	_, err := other.client().Deploy(e.ctx, apply.Request{Units: []apply.Unit{other.podless("pay", "1")}}, nil)
	check(t, err)
	for _, e := range []*env{e, &other} {
		e.foreignLease("killed", 2)
		e.foreignLease("killed-too", 2)
		res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
		if err != nil || res.Outcome != apply.Removed {
			t.Errorf("%s: %s, %v", e.owner.App, res.Outcome, err)
		}
	}
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace is there: %v", err)
	}
}

// Without an index, a deletion finds what has the app's labels, of every kind.
func TestDeleteWithoutIndex(t *testing.T) {
	e := newEnv(t)
	quota := e.quota("5")
	e.mustDeploy(quota, with(e.podless("web", "1"), e.budget("web")), e.podless("api", "1"))
	e.change("shipit-shop", nil)
	s, err := e.client().Status(e.ctx)
	check(t, err)
	if len(s.Units) != 2 || s.Units[0].State != apply.StateUnrecorded || len(s.Left) == 0 {
		t.Errorf("status %+v", s)
	}
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"api"}}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Errorf("api: %s, %v", res.Outcome, err)
	}
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{}, e.log)
	if err != nil || res.Outcome != apply.Removed {
		t.Errorf("all: %s, %v", res.Outcome, err)
	}
	if _, err := e.dyn.Resource(namespaces).Get(e.ctx, e.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace is there: %v", err)
	}
	var none *apply.NothingDeployedError
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, nil); !errors.As(err, &none) {
		t.Errorf("a rollback of nothing: %v", err)
	}
}

// paused is a deploy that stops before its n-th writing request, until it is let go.
type paused struct {
	reached, goOn chan struct{}
	done          chan *apply.Result
}

func (e *env) paused(n int, units ...apply.Unit) *paused {
	e.Helper()
	return e.pausedCall(n, func(c *apply.Client) (*apply.Result, error) {
		return c.Deploy(e.ctx, apply.Request{Units: units}, nil)
	})
}

func (e *env) pausedCall(n int, call func(*apply.Client) (*apply.Result, error)) *paused {
	e.Helper()
	h := &paused{reached: make(chan struct{}), goOn: make(chan struct{}), done: make(chan *apply.Result, 1)}
	cfg := rest.CopyConfig(e.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &atWrite{next: next, n: int64(n), do: func() {
			close(h.reached)
			<-h.goOn
		}}
	})
	c, err := apply.New(cfg, e.owner)
	check(e.T, err)
	go func() {
		res, _ := call(c)
		h.done <- res
	}()
	<-h.reached
	return h
}

// letGo is a sink that lets the deploy go on when somebody waits for it.
func (h *paused) letGo(e *env) func(apply.Event) {
	return func(ev apply.Event) {
		e.log(ev)
		if ev.Kind == apply.EventLockWait {
			close(h.goOn)
			<-h.done
		}
	}
}

// Who waited for the lock of a deploy looks again at everything: a deletion removes
// what it made meanwhile, of kinds that the index did not have.
func TestDeleteAfterWaitingForADeploy(t *testing.T) {
	t.Parallel()
	for name, req := range map[string]apply.DeleteRequest{"all": {}, "one": {Units: []string{"web"}}} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.podless("web", "1"))
			// Its Lease, the index; the third is the intent.
			h := e.paused(3, with(e.podless("web", "2"), e.budget("web")), e.podless("api", "1"))
			req.LockWait = holds
			res, err := e.client().Delete(e.ctx, req, h.letGo(e))
			if err != nil || res.Outcome != apply.Removed {
				t.Errorf("%s, %v", res.Outcome, err)
			}
			for _, left := range slices.AppendSeq(e.left(), maps.Keys(e.things(budgets))) {
				if name == "all" || strings.Contains(left, " web") {
					t.Errorf("left: %s", left)
				}
			}
			if name == "one" && e.status("api").State != apply.StateDeployed {
				t.Error("api is gone")
			}
		})
	}
}

// A rollback that waited for a deploy takes back that one, and a deploy that waited
// prunes what that one added.
func TestRollbackAndPruneAfterWaiting(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.mustDeploy(e.podless("web", "2"))
	h := e.paused(3, e.podless("web", "3"))
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{LockWait: holds}, h.letGo(e))
	if err != nil || res.Outcome != apply.Deployed || res.Units[0].Release != 2 {
		t.Errorf("rollback: %s, %+v, %v", res.Outcome, res.Units, err)
	}
	e.isAt("web", 2)

	// What it was to take back takes itself back: it does not go further.
	h = e.paused(5, e.podless("web", "4"), e.broken("sick"))
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{LockWait: holds, Units: []string{"web"}}, h.letGo(e))
	if err != nil || res.Outcome != apply.Unchanged || res.Units[0].Release != 2 {
		t.Errorf("rollback of what returned: %s, %+v, %v", res.Outcome, res.Units, err)
	}

	h = e.paused(3, e.podless("web", "5"), e.podless("api", "1"))
	res, err = e.deploy(e.ctx, apply.Request{LockWait: holds, Units: []apply.Unit{e.podless("web", "6")}}, h.letGo(e))
	if err != nil || res.Outcome != apply.Deployed {
		t.Errorf("deploy: %s, %v", res.Outcome, err)
	}
	for _, left := range e.left() {
		if strings.Contains(left, " api") {
			t.Errorf("left: %s", left)
		}
	}
}

// What was over when it was looked for, and was deployed again while the deletion waited
// for the lock, stays.
func TestRenewedWhileWaiting(t *testing.T) {
	e := newEnv(t)
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "1")}, TTL: time.Millisecond}, nil)
	check(t, err)
	h := e.paused(3, e.podless("web", "2")) // without a ttl
	res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Expired: true, LockWait: holds}, h.letGo(e))
	if err != nil || res.Outcome != apply.Unchanged {
		t.Errorf("%s, %v", res.Outcome, err)
	}
	e.isAt("web", 2)
}
