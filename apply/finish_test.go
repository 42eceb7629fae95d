package apply_test

import (
	"testing"

	"github.com/shipit-dev/shipit/apply"
)

// both are two units of a version, without pods.
func (e *env) both(version string) []apply.Unit {
	return []apply.Unit{e.podless("db", version), e.podless("web", version)}
}

// areAt fails unless the units are exactly at these releases.
func (e *env) areAt(want map[string]int) {
	e.Helper()
	for unit, release := range want {
		e.isAt(unit, release)
	}
}

// A rollback that was killed at any of its writing requests ends where it was to when
// it is run again, in whichever words, and says that it goes on with the first.
func TestRollbackKilledAtEachWrite(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.both("1")...)
	second := e.mustDeploy(e.both("2")...)
	again := []apply.RollbackRequest{
		{}, {Units: []string{"db", "web"}}, {To: 2}, {DeployID: second.DeployID},
	}
	e.mustDeploy(e.both("3")...)
	said, interrupted := 0, 0
	matrix(t, func(n int) bool {
		if _, err := e.client().Rollback(e.ctx, apply.RollbackRequest{To: 3}, e.log); err != nil {
			t.Fatal(err)
		}
		req := again[n%len(again)]
		c, code := e.killedAt(n, false, childDeploy{Rollback: &childRollback{Units: req.Units, To: req.To, DeployID: req.DeployID}})
		if code != childDone && code != -1 {
			t.Fatalf("n = %d: the child exits with %d, saying %q", n, code, c.said)
		}
		if code == childDone {
			e.areAt(map[string]int{"db": 2, "web": 2})
			return true
		}
		s := e.status("web")
		if s.State == apply.StateInterrupted {
			interrupted++
			if s.Stopped != apply.StoppedRollback {
				t.Errorf("killed at %d: %q was stopped", n, s.Stopped)
			}
		}
		told := false
		res, err := e.client().Rollback(e.ctx, req, func(ev apply.Event) { told = told || ev.Kind == apply.EventFinish })
		if err != nil || !res.Outcome.Done() || told != (res.Finishes != "") || s.State == apply.StateInterrupted && !told {
			t.Fatalf("killed at %d, and run again: %s, finishes %q, said so: %v, error %v", n, res.Outcome, res.Finishes, told, err)
		}
		if told {
			said++
		}
		if res.Outcome == apply.Deployed {
			e.areAt(map[string]int{"db": 2, "web": 2})
		} else if s := e.status("db"); s.State != apply.StateDeployed || s.Release != 2 {
			t.Errorf("killed at %d: %+v", n, s) // what lies about stays until something is written
		}
		return false
	})
	if said == 0 || interrupted == 0 {
		t.Errorf("it was finished %d times, and seen stopped %d times", said, interrupted)
	}
}

// What a killed deploy moved, or was to move, or made, is taken back as one.
func TestRollbackOfAKilledDeploy(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.both("1")...)
	e.mustDeploy(e.both("2")...)
	next := append(e.both("3"), e.podless("new", "1", "db"))
	if c, code := e.killedAt(8, false, childDeploy{Units: next}); code != -1 {
		t.Fatalf("the child exits with %d, saying %q", code, c.said)
	}
	if s := e.status("web"); s.State != apply.StateInterrupted || s.Stopped != apply.StoppedDeploy {
		t.Errorf("status %+v", s)
	}
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.areAt(map[string]int{"db": 2, "web": 2})
	e.isGone(deployments, "new")
	if _, err := e.history("new"); err == nil {
		t.Error("new has a history")
	}
	e.ended(res)
}

// What a stopped deploy has undone is not the last deploy: all that the one before
// moved is taken back.
func TestUndoneDeployIsNotTheLast(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.both("1")...)
	second := e.mustDeploy(e.both("2")...)
	three := e.both("2")
	three[1] = e.podless("web", "3")
	res := e.stoppedAt(6, false, three)
	if res.Outcome != apply.RolledBack {
		t.Fatalf("outcome %s", res.Outcome)
	}
	if s := e.status("web"); s.DeployID != second.DeployID || s.Release != 2 {
		t.Errorf("status %+v", s)
	}
	res, err := e.client().Rollback(e.ctx, apply.RollbackRequest{}, e.log)
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("outcome %s, error %v", res.Outcome, err)
	}
	e.areAt(map[string]int{"db": 1, "web": 1})
}
