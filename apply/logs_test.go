package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/shipit-dev/shipit/apply"
)

func (e *env) logs(req apply.LogsRequest) ([]apply.LogLine, error) {
	e.Helper()
	var out []apply.LogLine
	err := e.client().Logs(e.ctx, req, func(l apply.LogLine) { out = append(out, l) })
	return out, err
}

func texts(lines []apply.LogLine) []string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func TestLogs(t *testing.T) {
	e := newEnv(t)
	u := e.deployment("web", "2", "env: [{name: VERSION, value: \"7\"}]", "")
	e.addInit(u, "0")
	e.mustDeploy(u, e.unit(service{name: "api"}))

	lines, err := e.logs(apply.LogsRequest{Unit: "web"})
	check(t, err)
	pods := map[string][]string{}
	for _, l := range lines {
		pods[l.Pod] = append(pods[l.Pod], l.Container+": "+l.Text)
	}
	want := []string{"prepare: starting version ", "prepare: fatal: told to exit with 0", "web: starting version 7"}
	if len(pods) != 2 {
		t.Errorf("lines of %d pods, want 2: %v", len(pods), lines)
	}
	for pod, got := range pods {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pod, got, want)
		}
	}
	one := int64(1)
	lines, err = e.logs(apply.LogsRequest{Unit: "web", Container: "prepare", Tail: &one})
	check(t, err)
	if got := texts(lines); !slices.Equal(got, []string{"fatal: told to exit with 0", "fatal: told to exit with 0"}) {
		t.Errorf("the last line of one container: %q", got)
	}

	_, err = e.logs(apply.LogsRequest{Unit: "wbe"})
	var unit *apply.UnknownUnitError
	if !errors.As(err, &unit) || !slices.Equal(unit.Known, []string{"api", "web"}) {
		t.Errorf("unknown unit: %v", err)
	}
	_, err = e.logs(apply.LogsRequest{Unit: "web", Container: "wbe"})
	var container *apply.UnknownContainerError
	if !errors.As(err, &container) || !slices.Equal(container.Known, []string{"prepare", "web"}) {
		t.Errorf("unknown container: %v", err)
	}
	_, err = e.logs(apply.LogsRequest{Unit: "web", Previous: true})
	var previous *apply.NoPreviousError
	if !errors.As(err, &previous) {
		t.Errorf("previous: %v", err)
	}
	blind := e.as("blind", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}})
	for _, follow := range []bool{false, true} {
		_, err = blind.logs(apply.LogsRequest{Unit: "web", Follow: follow})
		var forbidden *apply.ForbiddenError
		if !errors.As(err, &forbidden) || forbidden.Resource != "pods/log" {
			t.Errorf("follow %v, forbidden: %v", follow, err)
		}
	}
}

// What a container said before it was restarted.
func TestLogsPrevious(t *testing.T) {
	e := newEnv(t)
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"EXIT": "9"}})}, NoRollback: true}, nil)
	if err == nil {
		t.Fatal("it did not fail")
	}
	lines, err := e.logs(apply.LogsRequest{Unit: "web", Previous: true, Follow: true})
	check(t, err)
	if got := texts(lines); !slices.Contains(got, "fatal: told to exit with 9") {
		t.Errorf("lines %q", got)
	}
}

// Followed lines come whole, from pods that come later too, and end with the
// context.
func TestLogsFollow(t *testing.T) {
	e := newEnv(t)
	const long = 300
	e.mustDeploy(e.unit(service{replicas: 2, env: map[string]string{"VERSION": "1", "SAY": fmt.Sprint(long)}}))
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	lines := make(chan apply.LogLine, 10*long)
	ended := make(chan error, 1)
	go func() {
		ended <- e.client().Logs(ctx, apply.LogsRequest{Unit: "web", Follow: true}, func(l apply.LogLine) { lines <- l })
	}()
	seen := map[string][]string{}
	until := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			select {
			case l := <-lines:
				seen[l.Pod] = append(seen[l.Pod], l.Text)
			case err := <-ended:
				t.Fatalf("waiting for %s: it ended: %v", what, err)
			case <-e.ctx.Done():
				t.Fatalf("no %s", what)
			}
		}
	}
	complete := func(version string) int {
		n := 0
		for _, all := range seen {
			if all[0] == "starting version "+version && len(all) > long {
				n++
			}
		}
		return n
	}
	until("two pods", func() bool { return complete("1") == 2 })
	e.mustDeploy(e.unit(service{replicas: 2, env: map[string]string{"VERSION": "2", "SAY": fmt.Sprint(long)}}))
	until("two later pods", func() bool { return complete("2") == 2 })
	for pod, all := range seen {
		for i, text := range all[1:] {
			if i < long && text != fmt.Sprintf("line %d %s end", i, strings.Repeat("x", 2000)) {
				t.Fatalf("%s: line %d is %.40q", pod, i, text)
			}
		}
	}
	stop()
	select {
	case err := <-ended:
		check(t, err)
	case <-e.ctx.Done():
		t.Error("it did not end")
	}
}

// A container that is restarted is followed through its restarts, each line once.
func TestLogsFollowRestarts(t *testing.T) {
	e := newEnv(t)
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{e.unit(service{env: map[string]string{"EXIT": "9", "VERSION": "1"}})}, NoRollback: true}, nil)
	if err == nil {
		t.Fatal("it did not fail")
	}
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var got []string
	check(t, e.client().Logs(ctx, apply.LogsRequest{Unit: "web", Follow: true}, func(l apply.LogLine) {
		if got = append(got, l.Text); len(got) == 4 {
			stop()
		}
	}))
	want := []string{"starting version 1", "fatal: told to exit with 9", "starting version 1", "fatal: told to exit with 9"}
	if !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}
