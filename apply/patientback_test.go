package apply_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// stoppedBehind deploys what changes both units, and is asked to stop once they are
// written; then back breaks the proxy for the way back.
func (e *env) stoppedBehind(back func(p *faultproxy.Proxy)) (*apply.Result, []string) {
	e.Helper()
	behind, p := e.behind()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	p.Add(faultproxy.Rule{Match: faultproxy.All(faultproxy.Writes, faultproxy.Of("", "deployments")), Nth: 2, Fault: faultproxy.Before(cancel)})
	next := e.both("2")
	next[0].Objects = append(next[0].Objects, e.made("db", "v1", "ConfigMap", "db-new", map[string]any{"data": map[string]any{"k": "v"}}))
	var warned []string
	res, err := behind.deploy(ctx, apply.Request{Units: next}, func(ev apply.Event) {
		switch ev.Kind {
		case apply.EventInterrupted:
			back(p)
		case apply.EventWarning:
			warned = append(warned, ev.Unit+": "+ev.Message)
		}
	})
	if err == nil {
		e.Errorf("outcome %s", res.Outcome)
	}
	return res, warned
}

// Whatever keeps the server from answering at the start of the way back, or later, is
// waited for.
func TestWayBackIsPatient(t *testing.T) {
	t.Parallel()
	lists := faultproxy.All(faultproxy.Asks, func(r faultproxy.Request) bool { return r.Verb == "list" })
	const long = 12 * time.Second // longer than the way forward asks again
	for name, back := range map[string]func(p *faultproxy.Proxy){
		"one reset of one list": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{Match: lists, Fault: faultproxy.ResetBefore})
		},
		"no list": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{Match: lists, For: long, Fault: faultproxy.Unavailable})
		},
		"lists are as they were at first": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{Match: lists, Times: -1, Fault: p.Stale})
		},
		"what is between answers": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{For: long, Fault: faultproxy.HTML(http.StatusBadGateway)})
		},
		"nobody listens": func(p *faultproxy.Proxy) {
			p.Down()
			time.AfterFunc(long, func() { _ = p.Up() })
		},
		"packets are lost": func(p *faultproxy.Proxy) {
			p.Lose()
			time.AfterFunc(long, p.Deliver)
		},
		"the store stalls": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{Match: faultproxy.Not(faultproxy.Watches), For: time.Minute, Fault: faultproxy.AfterDelay(7*time.Second, faultproxy.TimedOut)})
		},
		"40 s of errors at its first write": func(p *faultproxy.Proxy) {
			p.Add(faultproxy.Rule{Match: faultproxy.All(faultproxy.Writes, faultproxy.Not(faultproxy.StateOf(faultproxy.Lease))), For: 40 * time.Second, Fault: faultproxy.LeaderLost})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.mustDeploy(e.both("1")...)
			res, _ := e.stoppedBehind(back)
			if res.Outcome != apply.RolledBack {
				t.Fatalf("outcome %s", res.Outcome)
			}
			e.areAt(map[string]int{"db": 1, "web": 1})
			e.ended(res)
		})
	}
}

// What cannot be deleted on the way back is said, and keeps nobody from returning;
// the next deploy tries again.
func TestLeftoversKeepNobody(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.both("1")...)
	deletes := faultproxy.All(faultproxy.Of("delete", "configmaps"), func(r faultproxy.Request) bool { return r.Name == "db-new" })
	res, warned := e.stoppedBehind(func(p *faultproxy.Proxy) {
		p.Add(faultproxy.Rule{Match: deletes, Times: -1, Fault: faultproxy.WebhookDeny})
	})
	if res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s", res.Outcome)
	}
	if !slices.ContainsFunc(warned, func(w string) bool { return strings.HasPrefix(w, "db: ConfigMap db-new") }) {
		t.Errorf("warned of %q", warned)
	}
	for _, unit := range []string{"db", "web"} {
		if s := e.status(unit); s.State != apply.StateDeployed || s.Release != 1 {
			t.Errorf("status %+v", s)
		}
	}
	e.isThere(configMaps, "db-new")
	e.mustDeploy(e.both("1")...)
	e.isGone(configMaps, "db-new")
}
