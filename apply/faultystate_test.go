package apply_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// change replaces a state Secret by one with other content; "" takes it away.
func (e *env) change(name string, content func([]byte) []byte) {
	e.Helper()
	r := e.dyn.Resource(secrets).Namespace(e.ns)
	o, err := r.Get(e.ctx, name, metav1.GetOptions{})
	check(e.T, err)
	check(e.T, r.Delete(e.ctx, name, metav1.DeleteOptions{}))
	if content == nil {
		return
	}
	text, _, err := unstructured.NestedString(o.Object, "data", "state")
	check(e.T, err)
	data, err := base64.StdEncoding.DecodeString(text)
	check(e.T, err)
	check(e.T, unstructured.SetNestedField(o.Object, base64.StdEncoding.EncodeToString(content(data)), "data", "state"))
	o.SetResourceVersion("")
	o.SetUID("")
	_, err = r.Create(e.ctx, o, metav1.CreateOptions{})
	check(e.T, err)
}

func half(data []byte) []byte { return data[:len(data)/2] }

// newer is a record of a format to come.
func newer([]byte) []byte {
	return apply.Encode(map[string]any{"formatVersion": 2, "writtenBy": "v2.5.0", "units": "in another shape"})
}

// everything calls all that reads the state, and wants each refused alike.
func (e *env) everything(wants func(what string, res *apply.Result, err error)) {
	e.Helper()
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "9")}}, nil)
	wants("deploy", res, err)
	res, err = e.client().Rollback(e.ctx, apply.RollbackRequest{}, nil)
	wants("rollback", res, err)
	res, err = e.client().Delete(e.ctx, apply.DeleteRequest{}, nil)
	wants("delete", res, err)
	_, err = e.client().Status(e.ctx)
	wants("status", nil, err)
	_, err = e.client().History(e.ctx, "web")
	wants("history", nil, err)
	_, err = e.client().SecretsKey(e.ctx)
	wants("key", nil, err)
}

func TestIndexIsNewer(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.change("shipit-shop", newer)
	before := e.versions()
	e.everything(func(what string, res *apply.Result, err error) {
		var n *apply.NewerFormatError
		if !errors.As(err, &n) || n.Version != 2 || n.Known != 1 || !strings.HasSuffix(err.Error(), "install shipit v2.5.0 or later") || res != nil && res.Outcome != apply.Refused {
			t.Errorf("%s: %+v, error %v", what, res, err)
		}
	})
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("something was written:\nbefore %v\nafter  %v", before, after)
	}
}

func TestIndexIsTruncated(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	e.change("shipit-shop", half)
	before := e.versions()
	e.everything(func(what string, res *apply.Result, err error) {
		var damaged *apply.DamagedStateError
		if !errors.As(err, &damaged) || !strings.Contains(damaged.Hint(), "kubectl delete secret -n "+e.ns+" shipit-shop") || res != nil && res.Outcome != apply.Refused {
			t.Errorf("%s: %+v, error %v", what, res, err)
		}
	})
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("something was written:\nbefore %v\nafter  %v", before, after)
	}
	// The way out that it names.
	e.change("shipit-shop", nil)
	if res := e.mustDeploy(e.podless("web", "1")); res.Units[0].Release != 1 {
		t.Errorf("unit %+v", res.Units[0])
	}
	e.isAt("web", 1)
}

// Without its index an app is deployed into a new history, which is said; what
// was there is not removed when that fails.
func TestIndexIsMissing(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.version("web", "1"))
	e.mustDeploy(e.version("web", "2"))
	running := e.pods("web")
	e.change("shipit-shop", nil)
	var warned []string
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("web")}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned = append(warned, ev.Message)
		}
	})
	var lost *apply.LostHistoryError
	if res.Outcome != apply.Failed || !errors.As(err, &lost) || lost.Unit != "web" {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.ended(res)
	if said := strings.Join(warned, "\n"); !strings.Contains(said, "no release is recorded of web, though they are there: a new history begins") {
		t.Errorf("warned of %q", warned)
	}
	for name, pod := range running {
		if now := e.pods("web"); now[name] != pod {
			t.Errorf("pod %s was %+v, is %+v", name, pod, now[name])
		}
	}
	res = e.mustDeploy(e.version("web", "3"))
	if res.Units[0].Release != 2 {
		t.Errorf("unit %+v", res.Units[0])
	}
	e.isAt("web", 2)
}

// A release whose record is damaged cannot be returned to, which is said before
// anything is written.
func TestIntentIsDamaged(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]func([]byte) []byte{"gone": nil, "truncated": half, "newer": newer} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			first := e.mustDeploy(e.podless("web", "1"))
			e.mustDeploy(e.podless("web", "2"))
			e.change("shipit-shop-"+first.DeployID, content)
			before := e.versions()
			for _, req := range []apply.RollbackRequest{{}, {DeployID: first.DeployID}} {
				res, err := e.client().Rollback(e.ctx, req, e.log)
				var damaged *apply.DamagedStateError
				var n *apply.NewerFormatError
				if name == "newer" && !errors.As(err, &n) || name != "newer" && !errors.As(err, &damaged) || res.Outcome != apply.Refused {
					t.Errorf("outcome %s, error %v", res.Outcome, err)
				}
			}
			if after := e.versions(); !maps.Equal(before, after) {
				t.Errorf("something was written:\nbefore %v\nafter  %v", before, after)
			}
			// Going forward needs no record of long ago.
			if res := e.mustDeploy(e.podless("web", "3")); res.Units[0].Release != 3 {
				t.Errorf("unit %+v", res.Units[0])
			}
		})
	}
}

// A deploy whose way back is not recorded says so first, and stays where it is
// when it fails.
func TestNoWayBack(t *testing.T) {
	e := newEnv(t)
	first := e.mustDeploy(e.version("web", "1"))
	e.change("shipit-shop-"+first.DeployID, half)
	var warned error
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.broken("web")}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning && warned == nil {
			warned = ev.Err
		}
	})
	var damaged *apply.DamagedStateError
	if res.Outcome != apply.Failed || !errors.As(err, &damaged) || !errors.As(warned, &damaged) {
		t.Errorf("outcome %s, error %v, warned %v", res.Outcome, err, warned)
	}
	e.ended(res)
}

// What does not fit into one Secret is split over several, and put together for
// the way back.
func TestLargeIntent(t *testing.T) {
	e := newEnv(t)
	u := e.podless("web", "1")
	for n := range 5 {
		noise := make([]byte, 700<<10)
		_, _ = rand.Read(noise)
		u.Objects = append(u.Objects, e.made("web", "v1", "ConfigMap", fmt.Sprintf("noise-%d", n), map[string]any{
			"binaryData": map[string]any{"noise": base64.StdEncoding.EncodeToString(noise)},
		}))
	}
	first := e.mustDeploy(u)
	e.isThere(secrets, "shipit-shop-"+first.DeployID+"-3")
	e.mustDeploy(e.podless("web", "2"))
	e.isGone(configMaps, "noise-0")
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.isAt("web", 1)
	e.change("shipit-shop-"+first.DeployID+"-2", nil)
	var damaged *apply.DamagedStateError
	if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: 1}, nil); !errors.As(err, &damaged) {
		t.Errorf("without one part: %v", err)
	}
}

// The key under which Secrets are named is kept by the first write, and one that
// another deploy made meanwhile wins.
func TestSecretsKey(t *testing.T) {
	e := newEnv(t)
	key, err := e.client().SecretsKey(e.ctx)
	check(t, err)
	other, err := e.client().SecretsKey(e.ctx)
	check(t, err)
	if len(key) != 32 || bytes.Equal(key, other) {
		t.Fatalf("keys %x and %x", key, other)
	}
	if len(e.left()) > 0 {
		t.Errorf("asking for a key left %v", e.left())
	}
	deploy := func(version string, key []byte) (*apply.Result, error) {
		return e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", version)}, SecretsKey: key}, nil)
	}
	if res, err := deploy("1", key); err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	if got, err := e.client().SecretsKey(e.ctx); err != nil || !bytes.Equal(got, key) {
		t.Errorf("key %x, want %x, error %v", got, key, err)
	}
	before := e.versions()
	var changed *apply.KeyChangedError
	if res, err := deploy("2", other); !errors.As(err, &changed) || res.Outcome != apply.Refused {
		t.Errorf("outcome %s, error %v", res.Outcome, err)
	}
	if after := e.versions(); !maps.Equal(before, after) {
		t.Errorf("something was written:\nbefore %v\nafter  %v", before, after)
	}
	for _, key := range [][]byte{key, nil} {
		if res, err := deploy(hex.EncodeToString(key)[:min(2, 2*len(key))]+"x", key); err != nil || res.Outcome != apply.Deployed {
			t.Errorf("outcome %s, error %v", res.Outcome, err)
		}
	}
	if got, err := e.client().SecretsKey(e.ctx); err != nil || !bytes.Equal(got, key) {
		t.Errorf("key %x, want %x, error %v", got, key, err)
	}
}
