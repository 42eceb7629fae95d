package apply_test

import (
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// A record of the way back that cannot be read now is asked for again; while it
// cannot, nothing is begun.
func TestWayBackIsReadFirst(t *testing.T) {
	e := newEnv(t)
	first := e.mustDeploy(e.podless("web", "1"))
	behind, p := e.behind()
	record := func(r faultproxy.Request) bool {
		return r.Verb == "get" && r.Resource == "secrets" && r.Name == "shipit-shop-"+first.DeployID
	}
	no := faultproxy.Answer(403, "Forbidden", "no", 0)
	p.Add(faultproxy.Rule{Match: record, Times: -1, Fault: no})
	before := e.versions()
	res, err := behind.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "2")}}, nil)
	if res.Outcome != apply.Refused || err == nil || !strings.Contains(err.Error(), "the way back of web to release 1") {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	after := e.versions()
	delete(before, "Secret shipit-shop") // the lock was taken, and given back
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was written", name)
		}
	}
	check(t, p.Clear())
	p.Add(faultproxy.Rule{Match: record, Times: 2, Fault: faultproxy.ResetBefore})
	res, err = behind.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "2")}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			t.Errorf("warned of %q: %v", ev.Message, ev.Err)
		}
	})
	if res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
}
