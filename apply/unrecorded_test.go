package apply_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/apply"
)

// When the index was lost, the next deploy removes nothing that was there: not what
// is named by its content, nor what is not wanted any more, nor a service that the
// project no longer has. It names all of that, and no failure takes it away later.
func TestNothingIsRemovedWithoutIndex(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(with(e.podless("web", "1"), e.made("web", "v1", "ConfigMap", "web-extra", nil)), e.podless("old", "1"))
	e.change("shipit-shop", nil)
	before := e.left()
	warned := ""
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.podless("web", "2")}}, func(ev apply.Event) {
		if ev.Kind == apply.EventWarning {
			warned += ev.Message + "\n"
		}
		if ev.Action == apply.ActionDelete {
			t.Errorf("deleted: %s", ev.Object)
		}
	})
	if err != nil || res.Outcome != apply.Deployed {
		t.Fatalf("%s, %v", res.Outcome, err)
	}
	e.stay(before)
	for _, want := range []string{
		"no release is recorded of web, though they are there: a new history begins",
		"left in place: ConfigMap web-app-1, ConfigMap web-extra, Secret web-db-1: no recorded release has this",
		"no release of old is recorded; if it is not wanted any more: shipit delete old",
	} {
		if !strings.Contains(warned, want) {
			t.Errorf("warned of %q, not of %q", warned, want)
		}
	}
	// What is named by its content stays as long as the release that begins.
	e.mustDeploy(e.podless("web", "3"))
	e.isThere(configMaps, "web-app-1")
	e.isThere(secrets, "web-db-1")
	e.isGone(configMaps, "web-extra")
	// The advice.
	if res, err := e.client().Delete(e.ctx, apply.DeleteRequest{Units: []string{"old"}}, e.log); err != nil || res.Outcome != apply.Removed {
		t.Errorf("deletion of old: %s, %v", res.Outcome, err)
	}
	for _, left := range e.left() {
		if strings.Contains(left, " old") {
			t.Errorf("left: %s", left)
		}
	}
}

// A first deploy without an index that fails, and another one after it, do not remove
// what was there before both.
func TestFailuresWithoutIndexRemoveNothing(t *testing.T) {
	e := newEnv(t)
	app := e.namespaceWith(map[string]string{"example.com/team": "shop"})
	e.mustDeploy(app, e.podless("web", "1"))
	e.change("shipit-shop", nil)
	before := e.left()
	for _, version := range []string{"2", "3"} {
		broken := e.unit(service{env: map[string]string{"EXIT": "1", "VERSION": version}})
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{app, broken}}, nil)
		if l := e.namespaceLabels(); l["example.com/team"] != "shop" {
			t.Errorf("labels of the namespace %v", l)
		}
		var lost *apply.LostHistoryError
		if res.Outcome != apply.Failed || !errors.As(err, &lost) {
			t.Errorf("%s, %v", res.Outcome, err)
		}
		e.stay(before)
	}
}

// stay fails unless all of before is still there, but for records and Leases.
func (e *env) stay(before []string) {
	e.Helper()
	now := strings.Join(e.left(), "\n") + "\n"
	for _, name := range before {
		if !strings.Contains(name, " shipit-") && !strings.Contains(now, name+"\n") {
			e.Errorf("removed: %s", name)
		}
	}
}
