package apply_test

import (
	"testing"
	"time"

	"github.com/shipit-dev/shipit/apply"
)

// expired lists what is over in the namespace, by source.
func (e *env) expired() map[string]bool {
	e.Helper()
	found, err := apply.Expired(e.ctx, e.cfg, e.ns)
	check(e.T, err)
	out := map[string]bool{}
	for _, x := range found {
		if x.App != e.owner.App || x.Namespace != e.ns || x.At.After(time.Now()) {
			e.Errorf("expired: %+v", x)
		}
		out[x.Source] = true
	}
	return out
}

// What one project deployed ends without what another did, and with the last of
// them goes the app.
func TestExpiredOfOneProject(t *testing.T) {
	e := newEnv(t)
	other := *e
	other.owner.Source = "example.com/other"
	deploy := func(e *env, name string, ttl time.Duration) {
		_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless(name, "1")}, TTL: ttl}, nil)
		check(e.T, err)
	}
	remove := func(source string, want apply.Outcome) {
		e := *e
		e.owner.Source = source
		res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Expired: true}, e.log)
		if err != nil || res.Outcome != want {
			t.Fatalf("deleting what is over of %q: %s, %v", source, res.Outcome, err)
		}
	}
	deploy(e, "web", time.Millisecond)
	deploy(&other, "api", time.Hour)
	if got := e.expired(); len(got) != 1 || !got["example.com/shop"] {
		t.Fatalf("expired: %v", got)
	}
	remove(other.owner.Source, apply.Unchanged) // its time is not over
	remove("", apply.Unchanged)                 // nor is that of all

	// It was deployed again since it was found: it stays.
	deploy(e, "web", time.Hour)
	remove(e.owner.Source, apply.Unchanged)
	e.isAt("web", 1)
	deploy(e, "web", time.Millisecond)

	remove(e.owner.Source, apply.Removed)
	status, err := e.client().Status(e.ctx)
	check(t, err)
	if len(status.Units) != 1 || status.Units[0].Name != "api" || status.Units[0].Expires == nil {
		t.Fatalf("left: %+v", status.Units)
	}
	if got := e.expired(); len(got) != 0 {
		t.Errorf("expired: %v", got)
	}

	deploy(&other, "api", time.Millisecond)
	if got := e.expired(); len(got) != 1 || !got[""] {
		t.Fatalf("expired: %v", got)
	}
	remove("", apply.Removed)
	if left := e.left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// An unchanged deploy writes the end only when it moves, and takes it away when the
// app is to stay.
func TestUnchangedMovesTheEnd(t *testing.T) {
	e := newEnv(t)
	deploy := func(ttl time.Duration, want apply.Outcome) time.Time {
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "1")}, TTL: ttl}, nil)
		if err != nil || res.Outcome != want {
			t.Fatalf("%s, %v", res.Outcome, err)
		}
		return res.Expires
	}
	first := deploy(100*time.Hour, apply.Deployed)
	before := e.versions()
	if at := deploy(100*time.Hour, apply.Unchanged); !at.Equal(first) {
		t.Errorf("expires %s, then %s", first, at)
	}
	for object, version := range e.versions() {
		if before[object] != version {
			t.Errorf("%s was written", object)
		}
	}
	if at := deploy(200*time.Hour, apply.Unchanged); at.Sub(first) < 99*time.Hour {
		t.Errorf("expires %s, which was %s", at, first)
	}
	if at := deploy(0, apply.Unchanged); !at.IsZero() {
		t.Errorf("expires %s", at)
	}
	if u := e.status("web"); u.Expires != nil {
		t.Errorf("expires %s", u.Expires)
	}
}
