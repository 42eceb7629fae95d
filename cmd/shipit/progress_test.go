package main

import (
	"bytes"
	"testing"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

// What was done is told in the order in which it was, and what belongs to no
// service before the services, which wait for it.
func TestProgressTellsTheAppFirst(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(streams{err: &out}, &schema.App{Services: []*schema.Service{{Name: "web"}, {Name: "db"}}}, deploying)
	applied := func(unit, kind string) apply.Event {
		return apply.Event{Kind: apply.EventApplied, Unit: unit, Action: apply.ActionCreate, Object: &apply.Ref{Kind: kind}}
	}
	for _, e := range []apply.Event{
		applied(apply.AppUnit, "ResourceQuota"), applied("db", "StatefulSet"), applied("web", "Deployment"), applied("db", "Service"),
		{Kind: apply.EventWaiting, Unit: "web"},
		{Kind: apply.EventHealthy, Unit: "web"},
		{Kind: apply.EventWaiting, Unit: "db"},
	} {
		p.event(e)
	}
	want := `  create    _app     ResourceQuota
  create    web      Deployment
  wait      web      at most 0.0s
  healthy   web      0/0 ready  0.0s
  create    db       Service, StatefulSet
  wait      db       at most 0.0s
`
	if out.String() != want {
		t.Errorf("it prints\n%s\nwant\n%s", out.String(), want)
	}
}
