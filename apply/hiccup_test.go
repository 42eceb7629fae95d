package apply_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/faultproxy"
)

// firsts matches each request when it is first sent, but reviews of what one may do.
func firsts() func(faultproxy.Request) bool {
	var seen sync.Map
	return func(r faultproxy.Request) bool {
		_, was := seen.LoadOrStore(fmt.Sprint(r.Verb, r.Path, r.DryRun), true)
		return !was && r.Group != "authorization.k8s.io"
	}
}

// stumbling is e whose every request fails at first, and is let through from then on.
// What was asked for may have been done all the same: then the answer is lost.
func (e *env) stumbling(done bool) *env {
	e.Helper()
	out, p := e.behind()
	fault := faultproxy.LeaderLost
	if done {
		fault = faultproxy.AnswerLate(faultproxy.TimedOut)
	}
	// As when a token has run out.
	p.Add(faultproxy.Rule{Match: faultproxy.All(faultproxy.Watches, firsts()), Times: -1, Fault: faultproxy.Unauthorized})
	p.Add(faultproxy.Rule{Match: faultproxy.All(faultproxy.Not(faultproxy.Watches), firsts()), Times: -1, Fault: fault})
	return out
}

// A server that fails each request once changes the end of no deploy: neither of
// the first in its namespace, nor of one with hooks, one that breaks and returns,
// a rollback, and the removal of all.
func TestServerHiccups(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]bool{"nothing is done": false, "all is done": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			want := func(outcome apply.Outcome) func(*apply.Result, error) {
				return func(res *apply.Result, err error) {
					t.Helper()
					if res.Outcome != outcome {
						t.Fatalf("outcome %s, want %s: %v", res.Outcome, outcome, err)
					}
				}
			}
			deploy := func(u apply.Unit) (*apply.Result, error) {
				return e.stumbling(done).deploy(e.ctx, apply.Request{Units: []apply.Unit{u}}, nil)
			}
			want(apply.Deployed)(deploy(e.unit(service{env: map[string]string{"VERSION": "1"}})))
			want(apply.Unchanged)(deploy(e.unit(service{env: map[string]string{"VERSION": "1"}})))
			hooked := with(e.unit(service{env: map[string]string{"VERSION": "2"}}), e.hook("web", "migrate", "before", "0", ""))
			want(apply.Deployed)(deploy(hooked))
			want(apply.RolledBack)(deploy(e.unit(service{env: map[string]string{"EXIT": "1"}})))
			e.isAt("web", 2)
			want(apply.Deployed)(e.stumbling(done).client().Rollback(e.ctx, apply.RollbackRequest{To: 1}, e.log))
			e.isAt("web", 1)
			want(apply.Removed)(e.stumbling(done).client().Delete(e.ctx, apply.DeleteRequest{}, e.log))
		})
	}
}
