package apply

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// pastApp is an app's index with the records of what happened to it, step by step, as
// the engine would leave them.
type pastApp struct {
	index
	intents  map[string]*intent
	outcomes map[string]bool
	n        int
}

func newPastApp() *pastApp {
	return &pastApp{index: index{Units: map[string]*unitState{}}, intents: map[string]*intent{}, outcomes: map[string]bool{}}
}

func (p *pastApp) at() time.Time { return time.Date(2026, 1, 1, 0, p.n, 0, 0, time.UTC) }

// begin marks units as a deploy does that is killed then.
func (p *pastApp) begin(id string, units ...string) {
	p.n++
	in := &intent{Deploy: id, At: p.at(), Units: map[string]intentUnit{}}
	for _, name := range units {
		u := p.Units[name]
		if u == nil {
			u = &unitState{State: StateRemoved}
			p.Units[name] = u
		}
		u.Last++
		in.Units[name] = intentUnit{Release: u.Last, From: u.Healthy}
		u.State, u.Release, u.Deploy, u.At = StateDeploying, u.Last, id, p.at()
		u.Releases = slices.Insert(u.Releases, 0, releaseState{Number: u.Last, Deploy: id, At: p.at()})
	}
	p.intents[id] = in
}

func (p *pastApp) deploy(id string, units ...string) {
	p.begin(id, units...)
	p.arrive(id, true)
}

// arrive ends what id began well.
func (p *pastApp) arrive(id string, fresh bool) {
	for name := range p.intents[id].Units {
		p.Units[name].arrived(fresh)
		p.Units[name].At = p.at()
	}
	p.outcomes[id] = true
}

// fails ends what id began: the units of left stay as they are, the others return. An
// older shipit left its own name on those.
func (p *pastApp) fails(id string, older bool, left ...string) {
	p.n++
	for name := range p.intents[id].Units {
		u := p.Units[name]
		for i := range u.Releases {
			if r := &u.Releases[i]; r.Deploy == id && !p.intents[id].Rollback {
				r.Outcome = RolledBack
			}
		}
		switch {
		case slices.Contains(left, name):
			u.State, u.At = StateFailed, p.at()
		case older && u.Healthy > 0:
			u.State, u.Release, u.At = StateDeployed, u.Healthy, p.at()
		default:
			u.goHome(&unitState{State: StateDeploying, Releases: u.Releases}, u.Healthy)
		}
	}
	p.outcomes[id] = true
}

// back marks units as a rollback does that is killed then.
func (p *pastApp) back(id string, to map[string]int) {
	p.n++
	in := &intent{Deploy: id, At: p.at(), Rollback: true, Units: map[string]intentUnit{}}
	for name, release := range to {
		u := p.Units[name]
		in.Units[name] = intentUnit{Release: release, From: u.Healthy}
		u.State, u.Release, u.Deploy, u.At = StateDeploying, release, id, p.at()
	}
	p.intents[id] = in
}

func (p *pastApp) records() pastRecords {
	return pastRecords{
		intent: func(deploy string) (*intent, error) { return p.intents[deploy], nil },
		ended:  func(deploy string) (bool, error) { return p.outcomes[deploy], nil },
	}
}

// rollback is where one without names goes: "db:1 web:1", and what it finishes.
func (p *pastApp) rollback(t *testing.T) string {
	t.Helper()
	names := slices.Sorted(maps.Keys(p.Units))
	aims, err := p.lastAims(names, nil, p.records())
	must(t, err)
	return said(aims)
}

func said(aims map[string]aim) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(aims)) {
		a := aims[name]
		s := fmt.Sprintf("%s:%d", name, a.release)
		if a.stopped != "" {
			s += "(" + a.stopped + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// After every kind of past, a rollback without names finishes the one that was
// stopped, or takes back what the last deploy did or began, to releases that were
// there together.
func TestWhereARollbackGoes(t *testing.T) {
	t.Parallel()
	three := func(p *pastApp) {
		p.deploy("d1", "db", "web")
		p.deploy("d2", "db", "web")
		p.deploy("d3", "db", "web")
	}
	for _, tt := range []struct {
		name, want string
		past       func(p *pastApp)
	}{
		{"deployed", "db:2 web:2", three},
		{"deployed once", "db:0 web:0", func(p *pastApp) { p.deploy("d1", "db", "web") }},
		{"one of them later", "web:3", func(p *pastApp) { three(p); p.deploy("d4", "web") }},
		{"a rollback, and another", "db:1 web:1", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.arrive("r1", false)
		}},
		{"a deploy after a rollback, to what was there", "db:1 web:1", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 1, "web": 1})
			p.arrive("r1", false)
			p.deploy("d4", "db", "web")
		}},
		{"a deploy whose release replaced one of each", "db:1 web:2", func(p *pastApp) {
			p.deploy("d1", "db", "web")
			p.deploy("d2", "web")
			p.deploy("d3", "db", "web")
		}},

		{"a deploy that was undone is not the last", "db:2 web:2", func(p *pastApp) {
			three(p)
			p.begin("d4", "db")
			p.fails("d4", false)
		}},
		{"nor one that an older shipit undid", "db:2 web:2", func(p *pastApp) {
			three(p)
			p.begin("d4", "db")
			p.fails("d4", true)
		}},
		{"nor a rollback that was undone", "db:2 web:2", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 1})
			p.fails("r1", false)
		}},
		{"nor one that an older shipit undid, of another", "db:2 web:2", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 1})
			p.fails("r1", true)
		}},
		{"nor two", "db:2 web:2", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.fails("d4", false)
			p.begin("d5", "web")
			p.fails("d5", true)
		}},

		{"a deploy that was killed", "db:3 web:3", func(p *pastApp) { three(p); p.begin("d4", "db", "web") }},
		{"a deploy of one of them that was killed", "web:3", func(p *pastApp) { three(p); p.begin("d4", "web") }},
		{"the first one", "db:0 web:0", func(p *pastApp) { p.begin("d1", "db", "web") }},
		{"one that was to bring a new one", "db:3 new:0 web:3", func(p *pastApp) { three(p); p.begin("d4", "db", "new", "web") }},
		{"one that was to remove one", "db:3 web:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "web")
			p.intents["d4"].Removes = []string{"db"}
		}},
		{"a killed one, and another that took over one of them", "db:3 web:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.begin("d5", "web")
		}},
		{"a killed one, and then another one that has ended", "db:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db")
			p.deploy("d5", "web")
		}},

		{"a deploy that failed and was left", "db:3 web:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.fails("d4", false, "db", "web")
		}},
		{"one of which one returned", "db:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.fails("d4", false, "db")
		}},
		{"a failed one after a rollback, to where that went", "db:1 web:1", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 1, "web": 1})
			p.arrive("r1", false)
			p.begin("d4", "db", "web")
			p.fails("d4", false, "db", "web")
		}},
		{"a failed one, and a failed one of one of them", "db:3 web:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.fails("d4", false, "db", "web")
			p.begin("d5", "web")
			p.fails("d5", false, "web")
		}},
		{"a failed one, and then a good one of another", "web:3", func(p *pastApp) {
			three(p)
			p.begin("d4", "db")
			p.fails("d4", false, "db")
			p.n++
			p.deploy("d5", "web")
		}},

		{"a rollback that was killed", "db:2(r1) web:2(r1)", func(p *pastApp) { three(p); p.back("r1", map[string]int{"db": 2, "web": 2}) }},
		{"to a number", "db:1(r1) web:1(r1)", func(p *pastApp) { three(p); p.back("r1", map[string]int{"db": 1, "web": 1}) }},
		{"of one of them", "web:2(r1)", func(p *pastApp) { three(p); p.back("r1", map[string]int{"web": 2}) }},
		{"killed, and killed again", "db:2(r2) web:2(r2)", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.back("r2", map[string]int{"db": 2, "web": 2})
		}},
		{"killed before it had ended, when all was there", "db:2(r1) web:2(r1)", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.arrive("r1", false)
			delete(p.outcomes, "r1")
		}},
		{"that was to undo a failed deploy", "db:3(r1) web:3(r1)", func(p *pastApp) {
			three(p)
			p.begin("d4", "db", "web")
			p.fails("d4", false, "db", "web")
			p.back("r1", map[string]int{"db": 3, "web": 3})
		}},
		{"killed, and a deploy of one of them that was killed", "db:2(r1) web:2(r1)", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.begin("d4", "db")
		}},
		{"one that failed and was left, to the healthy", "db:3 web:3", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.fails("r1", false, "db", "web")
		}},
		{"a deletion that was stopped, after a rollback", "db:2", func(p *pastApp) {
			three(p)
			p.back("r1", map[string]int{"db": 2, "web": 2})
			p.arrive("r1", false)
			p.Units["db"].State = StateDeploying
		}},
		{"a deletion that was stopped", "db:3", func(p *pastApp) { three(p); p.Units["db"].State = StateDeploying }},
		{"nothing", "", func(*pastApp) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPastApp()
			tt.past(p)
			if got := p.rollback(t); got != tt.want {
				t.Errorf("it goes to %q, want %q", got, tt.want)
			}
		})
	}
}

// A rollback that was killed, at whatever moment, goes to the same release when it is
// run again.
func TestRollbackAgainGoesToTheSame(t *testing.T) {
	t.Parallel()
	var got []string
	for _, killed := range []func(p *pastApp){
		func(*pastApp) {}, // before any write
		func(p *pastApp) { p.back("r1", map[string]int{"web": 2}) },
		func(p *pastApp) {
			p.back("r1", map[string]int{"web": 2})
			p.arrive("r1", false)
			delete(p.outcomes, "r1")
		},
	} {
		p := newPastApp()
		for _, d := range []string{"d1", "d2", "d3"} {
			p.deploy(d, "web")
		}
		killed(p)
		got = append(got, strings.TrimSuffix(p.rollback(t), "(r1)"))
		a, err := p.aim("web", p.records())
		must(t, err)
		got = append(got, strings.TrimSuffix(said(map[string]aim{"web": a}), "(r1)"))
	}
	if want := slices.Repeat([]string{"web:2"}, 6); !reflect.DeepEqual(got, want) {
		t.Errorf("it goes to %q", got)
	}
}

// A lock that may be held is another's, whoever is killed.
func TestLiveDeployIsNotTakenBackBefore(t *testing.T) {
	t.Parallel()
	p := newPastApp()
	p.deploy("d1", "db", "web")
	p.deploy("d2", "db", "web")
	p.begin("d3", "db")
	p.Units["db"].Lock = &unitLock{Deploy: "d3"}
	p.n++
	p.deploy("d4", "web")
	for name, tt := range map[string]struct {
		dead map[string]bool
		want string
	}{
		"alive": {nil, "web:2"},
		"dead":  {map[string]bool{"d3": true}, "db:2"},
	} {
		aims, err := p.lastAims([]string{"db", "web"}, tt.dead, p.records())
		must(t, err)
		if got := said(aims); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What cannot be read of the past is an error, and what is gone of it is not.
func TestPastThatIsGone(t *testing.T) {
	t.Parallel()
	p := newPastApp()
	p.deploy("d1", "web")
	p.deploy("d2", "web")
	p.intents = nil
	if got := p.rollback(t); got != "web:1" {
		t.Errorf("it goes to %q", got)
	}
}
