package apply_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// after is what a kill or a Ctrl-C at one writing request is tried with: a first
// deploy of an app, or a later one that changes and renames something.
func (e *env) crashApps(t *testing.T) map[string]func(e *env, n int) []apply.Unit {
	t.Helper()
	return map[string]func(e *env, n int) []apply.Unit{
		"first": func(e *env, n int) []apply.Unit {
			// An app of its own for each n, in one namespace.
			e.owner.App = fmt.Sprintf("shop%d", n)
			return []apply.Unit{e.podless(e.owner.App, "1")}
		},
		"later": func(e *env, n int) []apply.Unit {
			return []apply.Unit{e.podless("web", fmt.Sprint(n))}
		},
		"scaled": func(e *env, n int) []apply.Unit {
			// An autoscaler comes and goes.
			u := e.podless("web", fmt.Sprint(n))
			if n%2 == 1 {
				u.Objects = append(u.Objects, e.autoscaler("web"))
			}
			return []apply.Unit{u}
		},
		"hooks": func(e *env, n int) []apply.Unit {
			name := fmt.Sprint(n)
			return []apply.Unit{with(e.podless("web", name), e.empty(e.hook("web", "migrate-"+name, "before", "0", "")), e.empty(e.hook("web", "warm-"+name, "after", "0", "")))}
		},
	}
}

// sane fails unless the units are at their newest releases, deployed again if
// they have to be, with nothing held, lost or left.
func (e *env) sane(where string, units []apply.Unit) {
	e.Helper()
	res, err := e.client().Deploy(e.ctx, apply.Request{Units: units}, nil)
	if err != nil || !res.Outcome.Done() {
		e.Fatalf("%s, deployed again: %s, %v", where, res.Outcome, err)
	}
	name := units[0].Name
	release := res.Units[0].Release
	drift, err := e.client().Drift(e.ctx, name, release)
	check(e.T, err)
	held, missing, stale, err := e.client().State(e.ctx)
	check(e.T, err)
	if res.Outcome == apply.Unchanged {
		// Nothing is written, so what a killed deploy left beside its end stays
		// until the next one.
		stale = nil
	}
	if len(drift)+len(held)+len(missing)+len(stale) > 0 {
		e.Errorf("%s, %s: drift %q, held %q, missing %q, stale %q", where, res.Outcome, drift, held, missing, stale)
	}
}

// matrix runs each for n = 1, 2, 3… until it says that the deploy came to its
// end; with -short for some n only.
func matrix(t *testing.T, each func(n int) bool) {
	t.Helper()
	for n := 1; n < 40; n++ {
		if testing.Short() && n%3 != 1 {
			continue
		}
		if each(n) {
			if n < 8 {
				t.Errorf("the deploy has only %d writing requests", n-1)
			}
			return
		}
	}
	t.Error("the deploy never came to its end")
}

// Killed at any of its writing requests, before it is sent or after it was
// answered, a deploy is found by the next one, which ends as if nothing had been.
func TestKilledAtEachWrite(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"first", "later", "scaled", "hooks"} {
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answered %v", app, answered), func(t *testing.T) {
				e := newEnv(t)
				units := e.crashApps(t)[app]
				if app != "first" {
					e.mustDeploy(units(e, 0)...)
				}
				var last []apply.Unit
				matrix(t, func(n int) bool {
					last = units(e, n)
					c, code := e.killedAt(n, answered, childDeploy{Units: last})
					if code != childDone && code != -1 {
						t.Fatalf("n = %d: the child exits with %d, saying %q", n, code, c.said)
					}
					e.sane(fmt.Sprintf("killed at %d", n), last)
					return code == childDone
				})
				// The next deploy that writes leaves nothing of what was killed.
				e.sane("at the end", []apply.Unit{e.podless(last[0].Name, "end")})
			})
		}
	}
}

// killedAt does d in a process of its own, which is killed at its n-th writing request.
func (e *env) killedAt(n int, answered bool, d childDeploy) (*child, int) {
	e.Helper()
	behind, p := e.behind()
	defer p.Close()
	started := make(chan *child, 1)
	kill := func() { _ = (<-started).cmd.Process.Kill() }
	rule := faultproxy.Rule{Match: faultproxy.Writes, Nth: n, Fault: faultproxy.Before(kill)}
	if answered {
		rule.Fault = faultproxy.After(kill)
	}
	p.Add(rule)
	c := behind.child(d)
	started <- c
	return c, c.wait()
}

// What a killed deploy had made goes when the deploy that follows it returns, though it
// did not make it.
func TestKilledThenRolledBack(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.podless("web", "1"))
	bad := with(e.broken("web"), e.hashedConfig("web", "2"))
	// Its Lease, the index, the intent, the index; the fifth is the ConfigMap.
	if _, code := e.killedAt(5, true, childDeploy{Units: []apply.Unit{bad}}); code != -1 {
		t.Fatalf("the child exits with %d", code)
	}
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{bad}}, nil)
	if res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.settled()
}

// Asked to stop at any of its writing requests, a deploy ends as its outcome
// says, and the cluster is as it says.
func TestStoppedAtEachWrite(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"first", "later", "scaled", "hooks"} {
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answered %v", app, answered), func(t *testing.T) {
				e := newEnv(t)
				units := e.crashApps(t)[app]
				if app != "first" {
					e.mustDeploy(units(e, 0)...)
				}
				seen := map[apply.Outcome]bool{}
				matrix(t, func(n int) bool {
					wanted := units(e, n)
					res := e.stoppedAt(n, answered, wanted)
					seen[res.Outcome] = true
					e.asSaid(fmt.Sprintf("stopped at %d", n), wanted[0].Name, res)
					e.sane(fmt.Sprintf("stopped at %d", n), wanted)
					return !res.Interrupted && res.Outcome == apply.Deployed
				})
				back := apply.RolledBack
				if app == "first" {
					back = apply.Removed
				}
				if !seen[back] || !seen[apply.Deployed] || !testing.Short() && !seen[apply.Refused] {
					t.Errorf("outcomes %v", seen)
				}
			})
		}
	}
}

// stoppedAt deploys, and ends the context at the n-th writing request.
func (e *env) stoppedAt(n int, answered bool, units []apply.Unit) *apply.Result {
	e.Helper()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	cfg := rest.CopyConfig(e.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &atWrite{next: next, n: int64(n), after: answered, do: cancel}
	})
	c, err := apply.New(cfg, e.owner)
	check(e.T, err)
	var said []string
	res, err := c.Deploy(ctx, apply.Request{Units: units}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning && ev.Err != nil {
			said = append(said, ev.Message+": "+ev.Err.Error())
		}
	})
	if (err == nil) != res.Outcome.Done() || res.Interrupted != (err != nil) {
		e.Errorf("stopped at %d: %s, error %v", n, res.Outcome, err)
	}
	if len(said) > 0 {
		e.Errorf("stopped at %d: warned of %q", n, said)
	}
	return res
}

// asSaid fails unless the cluster is as the result of a stopped deploy says.
func (e *env) asSaid(where, unit string, res *apply.Result) {
	e.Helper()
	var release int
	if len(res.Units) > 0 {
		release = res.Units[0].Release
	}
	switch res.Outcome {
	case apply.Deployed, apply.RolledBack, apply.Refused, apply.Removed:
	default:
		e.Errorf("%s: outcome %s", where, res.Outcome)
	}
	left := slices.DeleteFunc(e.left(), func(s string) bool {
		return !strings.HasSuffix(s, " "+unit) && !strings.Contains(s, " "+unit+"-")
	})
	if release == 0 {
		if len(left) > 0 {
			e.Errorf("%s, %s: left %q", where, res.Outcome, left)
		}
	} else {
		drift, err := e.client().Drift(e.ctx, unit, release)
		check(e.T, err)
		if len(drift) > 0 {
			e.Errorf("%s, %s: drift %q", where, res.Outcome, drift)
		}
	}
	held, missing, stale, err := e.client().State(e.ctx)
	check(e.T, err)
	if len(held)+len(missing)+len(stale) > 0 {
		e.Errorf("%s, %s: held %q, missing %q, stale %q", where, res.Outcome, held, missing, stale)
	}
	if res.DeployID != "" && res.Outcome != apply.Refused {
		e.ended(res)
	}
}
