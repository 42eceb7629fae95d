package chaos

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/internal/faultproxy"
	"github.com/shipit-dev/shipit/internal/invariant"
)

// scenario is what is done under a fault, and what is to come of it.
type scenario struct {
	name  string
	empty bool // nothing is deployed before
	bad   bool // what is deployed does not become healthy
	args  []string
	code  int      // without a fault
	next  []string // what finishes it, when it did not end; nil is args again
	gone  bool     // it, and next, leave nothing
}

func scenarios() []scenario {
	deploy, remove := []string{"deploy"}, []string{"delete", "--yes"}
	return []scenario{
		{name: "first", empty: true, args: deploy},
		{name: "upgrade", args: deploy},
		{name: "bad", bad: true, args: deploy, code: 4},
		{name: "rollback", args: []string{"rollback"}},
		{name: "delete", args: remove, gone: true},
		{name: "abandon", empty: true, args: deploy, next: remove},
	}
}

// end is how a case ended.
type end string

const (
	asAsked  end = "as asked"
	putBack  end = "put back"
	refused  end = "refused"  // and nothing changed
	finished end = "finished" // it was left half-way, said so, and the next command finished it
	failed   end = "failed"   // it was left as it is, and said so
	wrong    end = "wrong"
)

// attempt is one case under way.
type attempt struct {
	l      *lane
	s      scenario
	f      fault
	before *invariant.State
	old    string // the version of db before, "" for none
	new    string // the one that is asked for, "" for none
}

// ready brings the lane to where the scenario begins, and writes what it deploys.
func (l *lane) ready(t *testing.T, s scenario, f fault) *attempt {
	t.Helper()
	now, bad := l.look(t, (*invariant.State).Agrees)
	if len(bad) > 0 {
		t.Fatalf("before the case: %q", bad)
	}
	do := func(code int, args ...string) {
		t.Helper()
		if r := l.shipit(t, nil, args...); r.code != code {
			t.Fatalf("before the case, %q: exit code %d\n%s", args, r.code, r.said)
		}
	}
	versions, _ := now.Versions()
	switch {
	case s.empty && now.Index != nil:
		do(0, "delete", "--yes")
	case !s.empty && (len(versions) == 0 || s.args[0] == "rollback" && previous(now) == ""):
		for range 2 {
			l.version++
			l.write(t, l.version, false)
			do(0, "deploy")
		}
	}
	a := &attempt{l: l, s: s, f: f}
	a.before, bad = l.look(t, (*invariant.State).Settled)
	if len(bad) > 0 && !s.empty {
		// A deploy that changed nothing left what was left before it: this one does not.
		l.version++
		l.write(t, l.version, false)
		do(0, "deploy")
		a.before, bad = l.look(t, (*invariant.State).Settled)
	}
	if len(bad) > 0 {
		t.Fatalf("before the case: %q", bad)
	}
	versions, _ = a.before.Versions()
	a.old = versions["db"]
	switch {
	case s.gone:
	case s.args[0] == "rollback":
		a.new = previous(a.before)
	default:
		l.version++
		l.write(t, l.version, s.bad)
		if a.new = itoa(l.version); s.bad {
			a.new = a.old
		}
	}
	return a
}

// previous is the version that rollback returns to: of the healthy release that db's
// current one replaced, or, when a rollback brought it there, of the newest one before it.
func previous(s *invariant.State) string {
	u, from := s.Index.Units["db"], 0
	if in := s.Intents[u.Deploy]; in != nil && in.Units["db"].Release == u.Release && in.Units["db"].Record == "" {
		from = in.Units["db"].From
	}
	for _, r := range u.Releases {
		if r.Outcome == "deployed" && (r.Number == from || from == 0 && r.Number < u.Release) {
			return s.VersionOf("db", r)
		}
	}
	return ""
}

// at returns what keeps the state from being at version, nothing when that is "".
func (a *attempt) at(version string, history bool, holds func(*invariant.State) []string) func(*invariant.State) []string {
	return func(s *invariant.State) []string {
		if version == "" {
			return s.Gone(history)
		}
		found := holds(s)
		versions, odd := s.Versions()
		found = append(found, odd...)
		if versions["db"] != version {
			found = append(found, fmt.Sprintf("db is of version %s, want %s", versions["db"], version))
		}
		if !a.s.empty {
			found = append(found, s.SamePods(a.before, "web")...)
		}
		return found
	}
}

// judge looks at what a run left, and says how it ended, and what is wrong with that.
func (a *attempt) judge(t *testing.T, r *run) (end, []string) {
	t.Helper()
	outcome := ""
	if r.json != nil {
		outcome = r.json.Outcome
	}
	var what end
	var is func(*invariant.State) []string
	anything := func(*invariant.State) []string { return nil }
	switch {
	case r.hung:
		return wrong, []string{"it hangs"}
	case r.code == -1 && a.f.kills:
		what, is = finished, anything
	case r.code == a.s.code:
		what, is = asAsked, a.at(a.new, false, (*invariant.State).Settled)
		if outcome == "unchanged" {
			is = a.at(a.new, false, (*invariant.State).Agrees)
		}
	case r.code == 4:
		what, is = putBack, a.at(a.old, true, (*invariant.State).Settled)
	case r.code == 1 && (outcome == "refused" || outcome == ""):
		what, is = refused, a.at(a.old, false, (*invariant.State).Settled)
		if a.f.lasts > 0 {
			is = a.at(a.old, false, (*invariant.State).Agrees) // the lock may be left, when nobody answers
		}
	case r.code == 1 && outcome == "interrupted" && (a.f.excuses || a.f.stops || a.f.lasts > 0):
		what, is = finished, anything
	case a.s.gone && r.code != 0:
		what, is = finished, anything
	case r.code == 5 && a.f.excuses:
		what, is = failed, anything
	default:
		return wrong, []string{fmt.Sprintf("outcome %q, exit code %d", outcome, r.code)}
	}
	s, found := a.l.look(t, is)
	found = append(found, r.untruths(s.Releases())...)
	if len(found) > 0 {
		return wrong, found
	}
	return what, nil
}

// finish runs, without a fault, what the user is advised to, and says what is wrong then.
func (a *attempt) finish(t *testing.T, after end) []string {
	t.Helper()
	args := a.s.next
	if args == nil {
		args = a.s.args
	}
	if after == asAsked && a.s.next == nil {
		return nil
	}
	s, unsettled := a.l.look(t, (*invariant.State).Agrees)
	if versions, _ := s.Versions(); args[0] == "rollback" && len(unsettled) == 0 && versions["db"] == a.new {
		return nil // it was killed after its end: another one would go further
	}
	r := a.l.shipit(t, nil, args...)
	want, code := a.new, a.s.code
	if args[0] == "delete" {
		want, code = "", 0
	}
	if r.code != code {
		return []string{fmt.Sprintf("%q after it: exit code %d\n%s", args, r.code, r.said)}
	}
	holds := (*invariant.State).Settled
	if r.json != nil && r.json.Outcome == "unchanged" {
		holds = (*invariant.State).Agrees
	}
	s, found := a.l.look(t, a.at(want, false, holds))
	found = append(found, r.untruths(s.Releases())...)
	for i := range found {
		found[i] = fmt.Sprintf("%q after it: %s", args, found[i])
	}
	return found
}

// requests counts what a run sent, of what the fault counts.
func requests(r *run, f fault) int {
	if f.always {
		return 1
	}
	if f.counts == nil {
		return len(r.proxy.Requests())
	}
	return len(slices.DeleteFunc(r.proxy.Requests(), func(q faultproxy.Request) bool { return !f.counts(q) }))
}
