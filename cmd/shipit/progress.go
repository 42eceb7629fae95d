package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

// heartbeat is how long a wait may be silent: some CI systems end a job that
// prints nothing.
const heartbeat = 15 * time.Second

// progress prints the events of one call: what was done to a service in one
// line, and of its pods what changes.
type progress struct {
	s       streams
	app     *schema.App
	written []written
	waits   map[string]wait
	changed map[string][]string // by unit: the fields that are updated
	what    action
	begun   []string // units of which something was written

	namespace string // that was made, or ""
}

// written is what was done to one object, and is not printed yet.
type written struct {
	unit   string
	action apply.Action
	what   string // its kind, or which it is when it belongs to no unit
}

// wait is what was last printed of a unit's pods.
type wait struct {
	pods apply.Pods
	at   time.Duration
}

func newProgress(s streams, app *schema.App, what action) *progress {
	return &progress{s: s.columns(app), app: app, what: what, waits: map[string]wait{}, changed: map[string][]string{}}
}

// event takes one event.
func (p *progress) event(e apply.Event) {
	switch e.Kind {
	case apply.EventPlan:
		p.changed[e.Unit] = append(p.changed[e.Unit], e.Fields...)
		p.begin("")
		return
	case apply.EventApplied:
		p.begin(e.Unit)
		if e.Action != apply.ActionUnchanged && e.Err == nil {
			what := e.Object.Kind
			if e.Unit == "" {
				what = e.Object.String() // the namespace, which no line names else
			}
			p.written = append(p.written, written{e.Unit, e.Action, what})
		}
		return
	case apply.EventProgress:
		p.pods(e)
		return
	case apply.EventWaiting, apply.EventHealthy:
		p.flush(e.Unit)
	default:
		p.flush("")
	}
	s := p.s
	switch e.Kind {
	case apply.EventNamespace:
		p.namespace = e.Message
		s.step("namespace", "", e.Message+" created")
	case apply.EventLockWait:
		s.step("wait", e.Unit, e.Message)
	case apply.EventTakeover:
		s.step("take over", e.Unit, e.Message)
	case apply.EventFinish:
		s.step("finish", e.Unit, fmt.Sprintf("the rollback to release %d that was stopped: %s", e.Release, e.Message))
	case apply.EventWaiting:
		p.waits[e.Unit] = wait{at: e.Elapsed}
		s.step("wait", e.Unit, fmt.Sprintf("at most %s", short(e.Deadline)))
	case apply.EventHealthy:
		s.step("healthy", e.Unit, fmt.Sprintf("%d/%d ready  %s", e.Pods.Ready, e.Pods.Wanted, short(e.Elapsed)))
	case apply.EventFailed:
		s.diagnosis(p.app, e.Diagnosis, p.changed[e.Unit])
	case apply.EventInterrupted:
		s.warn("interrupted: putting things back; an interrupt %s or more after the first stops at once", sameInterrupt)
	case apply.EventRollback:
		if e.Release == 0 {
			s.step("remove", e.Unit, "it has no healthy release to return to")
			return
		}
		s.step("roll back", e.Unit, fmt.Sprintf("to release %d", e.Release))
	case apply.EventDisconnected:
		s.warn("the API server does not answer (%v); waiting for it", e.Err)
	case apply.EventReconnected:
		s.step("connected", "", "the API server answers again")
	case apply.EventWarning:
		if e.Diagnosis != nil {
			s.foreseen(p.app, e.Diagnosis)
			return
		}
		s.warn("%s", strings.TrimPrefix(e.Unit+": "+e.Message, ": ")+reason(e))
	}
}

// reason is what a warning's error says beside its message.
func reason(e apply.Event) string {
	if e.Err == nil {
		return ""
	}
	why := e.Err.Error()
	if strings.Contains(e.Message, why) || strings.Contains(why, e.Message) {
		return "" // a call that leads nowhere is its own message
	}
	return ": " + why
}

// begin notes that something of unit may be written from here on.
func (p *progress) begin(unit string) {
	if unit != "" && !slices.Contains(p.begun, unit) {
		p.begun = append(p.begun, unit)
	}
	p.s.session.leave(p.what.half(p.begun))
}

// pods prints the counts of a unit's pods when they are other ones, when nothing
// was said of it for a while, or when it is known what keeps them.
func (p *progress) pods(e apply.Event) {
	last := p.waits[e.Unit]
	if e.Diagnosis != nil {
		e.Message = e.Diagnosis.Message
	} else if (last.pods.Ready == e.Pods.Ready && last.pods.Updated == e.Pods.Updated) && e.Elapsed-last.at < heartbeat {
		return
	}
	p.waits[e.Unit] = wait{pods: e.Pods, at: e.Elapsed}
	p.flush(e.Unit)
	p.s.step("wait", e.Unit, strings.TrimSpace(fmt.Sprintf("%d/%d ready, %d new  %s", e.Pods.Ready, e.Pods.Wanted, e.Pods.Updated, e.Message)))
}

// flush prints what was done to unit, or to all of them, in the order of units
// and actions in which it was done. What belongs to no service was done before: it
// has no pods, and else would be told last.
func (p *progress) flush(unit string) {
	if unit != "" && unit != apply.AppUnit {
		p.flush(apply.AppUnit)
	}
	var rest []written
	for len(p.written) > 0 {
		w := p.written[0]
		if unit != "" && w.unit != unit {
			rest, p.written = append(rest, w), p.written[1:]
			continue
		}
		var kinds []string
		p.written = slices.DeleteFunc(p.written, func(o written) bool {
			same := o.unit == w.unit && o.action == w.action
			if same {
				kinds = append(kinds, o.what)
			}
			return same
		})
		p.s.step(string(w.action), w.unit, counted(kinds))
	}
	p.written = rest
}

// counted writes kinds, each once, with how many there are: "Service, Secret ×2".
func counted(kinds []string) string {
	slices.Sort(kinds)
	var out []string
	for len(kinds) > 0 {
		n := 1
		for n < len(kinds) && kinds[n] == kinds[0] {
			n++
		}
		text := kinds[0]
		if n > 1 {
			text += fmt.Sprintf(" ×%d", n)
		}
		out, kinds = append(out, text), kinds[n:]
	}
	return strings.Join(out, ", ")
}

// columns makes room in a step's line for the longest name of a service.
func (s streams) columns(app *schema.App) streams {
	for _, service := range app.Services {
		s.width = max(s.width, len(service.Name))
	}
	return s
}

// step prints one line of progress in columns: what is done, to which service.
func (s streams) step(verb, subject, text string) {
	if subject != "" {
		text = fmt.Sprintf("%-*s %s", max(s.width, 8), subject, text)
	}
	s.note("  %s %s", s.paint(color.Faint, fmt.Sprintf("%-9s", verb)), strings.TrimRight(text, " "))
}
