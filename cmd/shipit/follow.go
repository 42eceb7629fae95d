package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fatih/color"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

// follow runs a call of the engine, prints what happens on the way to stderr
// and how it ended to stdout, and returns an outcomeError when that is bad. What
// happens to the streams meanwhile changes nothing of that.
func (s streams) follow(app *schema.App, what action, output string, call func(sink func(apply.Event)) (*apply.Result, error)) error {
	s.session.survive()
	live, out := s, newOutlet(s.err)
	live.err = out
	p := newProgress(live, app, what)
	result, err := call(p.event)
	p.flush("")
	out.drain()
	s.session.leave(what.settled())
	if result == nil {
		return err
	}
	if output == "json" {
		_ = s.resultJSON(app, result) // a stream that takes nothing is found at the end
	} else {
		s.columns(app).result(result)
		s.expires(result.Expires)
	}
	if err == nil {
		return nil
	}
	var preflight *apply.PreflightError
	switch {
	case errors.As(err, &preflight):
		for _, d := range preflight.Diagnoses {
			s.diagnosis(app, d, nil)
		}
		s.fail(errors.New("refused before the first write; nothing was changed"), "")
		return outcomeError{result.Outcome}
	case result.Outcome == apply.RolledBack, result.Outcome == apply.Removed,
		result.Outcome == apply.Failed, result.Outcome == apply.Interrupted:
		s.ending(what, result, err, p.namespace)
		return outcomeError{result.Outcome}
	}
	return err
}

// diagnosis prints why a service is not healthy, and the line of CUE to change:
// what the deploy changed first, then what the cause points to.
func (s streams) diagnosis(app *schema.App, d *apply.Diagnosis, changed []string) {
	if d == nil {
		return
	}
	s.note("%s %s", s.paint(color.FgRed, "failed:"), d)
	for _, line := range d.Logs {
		s.note("  log | %s", logged(line))
	}
	for _, line := range d.Events {
		s.note("  event | %s", line)
	}
	path, pos := deploy.Blame(app, d)
	places := deploy.Changed(app, d.Unit, changed)
	if i := slices.IndexFunc(places, func(p deploy.Place) bool { return p.Path == path }); i >= 0 {
		places = places[i : i+1] // the cause is known to be there
		pos = schema.Pos{}
	}
	for _, place := range places {
		what := "changes"
		if place.Removed {
			what = "removes"
		}
		s.note("  at %s (%s), which this deploy %s", place.Position, place.Path, what)
	}
	if pos.IsValid() {
		s.note("  at %s (%s)", pos, path)
	}
	if d.Hint != "" {
		s.note("  %s %s", s.paint(color.FgCyan, "hint:"), d.Hint)
	}
}

// foreseen warns of what may keep pods from running, with its place in the CUE.
func (s streams) foreseen(app *schema.App, d *apply.Diagnosis) {
	said := d.String()
	if _, pos := deploy.Blame(app, d); pos.IsValid() {
		said = pos.String() + ": " + said
	}
	s.warn("%s", said)
	if d.Hint != "" {
		s.note("  %s %s", s.paint(color.FgCyan, "hint:"), d.Hint)
	}
}

// result prints a line for each service, on stdout.
func (s streams) result(r *apply.Result) {
	ready := make([]string, len(r.Units)) // empty where nothing runs all the time
	room := 0
	for i, u := range r.Units {
		if u.Release > 0 && u.Pods.Wanted > 0 {
			ready[i] = fmt.Sprintf(" %d/%d ready", u.Pods.Ready, u.Pods.Wanted)
			room = max(room, len(ready[i]))
		}
	}
	for i, u := range r.Units {
		line := fmt.Sprintf("%-*s %-11s", max(s.width, 8), u.Name, u.Outcome)
		if u.Release > 0 {
			line += fmt.Sprintf(" release %-3d%-*s", u.Release, room, ready[i])
			for _, image := range u.Images {
				line += "  " + shortRef(image)
			}
		}
		printTo(s.out, cell, "%s\n", strings.TrimRight(line, " "))
	}
}
