package chaos

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lanes is how many cases run at a time: most of them wait.
const lanes = 6

// sampleTime is enough for the sample on two cores that do nothing else.
const sampleTime = 3 * time.Minute

// chosen is one case.
type chosen struct {
	s scenario
	f fault
	n int
}

func (c chosen) String() string { return fmt.Sprintf("%s/%s/%d", c.s.name, c.f.name, c.n) }

// Whatever breaks, at whichever request, a command ends as it says, and the one that it
// advises then finishes it.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := theCluster(t)
	until := time.Now().Add(24 * time.Hour) // after which no case is begun
	var cases []chosen
	name, all := os.Getenv("SHIPIT_CHAOS_CASE"), os.Getenv("SHIPIT_CHAOS_TIME")
	scenario, _, _ := strings.Cut(cmp.Or(name, "*"), "/")
	counts := c.counts(t, scenario)
	switch {
	case name != "":
		for _, one := range every(counts) {
			matches, err := path.Match(name, one.String())
			check(t, err)
			if matches {
				cases = append(cases, one)
			}
		}
		if len(cases) == 0 {
			t.Fatalf("no case matches %s: SCENARIO/FAULT/N", name)
		}
	case all != "":
		d, err := time.ParseDuration(all)
		check(t, err)
		until = time.Now().Add(d)
		cases = every(counts)
	default:
		cases, until = sample(counts), time.Now().Add(sampleTime)
	}
	rs := &results{}
	c.run(t, cases, until, rs)
	t.Logf("%d of %d cases were tried", len(rs.cases), len(cases))
	if all != "" {
		check(t, rs.write("../../docs/reliability.md"))
	}
}

// counts runs each scenario that matches without a fault, and returns how many requests
// it sends, by scenario and fault.
func (c *cluster) counts(t *testing.T, pattern string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	l := c.lane(t)
	for _, s := range scenarios() {
		if matches, err := path.Match(pattern, s.name); err != nil || !matches {
			continue
		}
		a := l.ready(t, s, fault{})
		r := l.shipit(t, nil, s.args...)
		if what, found := a.judge(t, r); what != asAsked {
			t.Fatalf("%s without a fault: %s, %q\n%s", s.name, what, found, r.said)
		}
		for _, f := range faults() {
			counts[s.name+"/"+f.name] = requests(r, f)
		}
	}
	return counts
}

// every returns all cases, in an order that is the same each time: one of each scenario
// and fault, then another one, and so on.
func every(counts map[string]int) []chosen {
	order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	var rounds [][]chosen
	for _, s := range scenarios() {
		for _, f := range faults() {
			for round, n := range order.Perm(counts[s.name+"/"+f.name]) {
				if round == len(rounds) {
					rounds = append(rounds, nil)
				}
				rounds[round] = append(rounds[round], chosen{s, f, n + 1})
			}
		}
	}
	for _, r := range rounds {
		order.Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] })
	}
	return slices.Concat(rounds...)
}

// sample takes one scenario for each fault, each scenario as often as the others, and a
// request that the case's name picks.
func sample(counts map[string]int) []chosen {
	var out []chosen
	all := scenarios()
	for i, f := range faults() {
		s := all[(i+i/len(all))%len(all)] // like faults stand together, and meet others of them
		name := s.name + "/" + f.name
		h := fnv.New32a()
		_, _ = h.Write([]byte(name))
		if n := counts[name]; n > 0 {
			out = append(out, chosen{s, f, 1 + int(h.Sum32()%uint32(n))})
		}
	}
	slices.Reverse(out) // what takes longest begins first
	return out
}

// run tries the cases, as many at a time as there are lanes, until time is up.
func (c *cluster) run(t *testing.T, cases []chosen, until time.Time, rs *results) {
	t.Helper()
	queue := make(chan chosen, len(cases))
	for _, one := range cases {
		queue <- one
	}
	close(queue)
	var wg sync.WaitGroup
	for range min(lanes, len(cases)) {
		wg.Go(func() {
			l := c.lane(t)
			for one := range queue {
				if time.Now().After(until) {
					return
				}
				if !t.Run(one.String(), func(t *testing.T) { l.try(t, one, rs) }) {
					l = c.lane(t) // what is wrong with this one is not the next one's
				}
			}
		})
	}
	wg.Wait()
}

// try runs one case.
func (l *lane) try(t *testing.T, one chosen, rs *results) {
	a := l.ready(t, one.s, one.f)
	start := time.Now()
	r := l.shipit(t, func(r *run) { one.f.begin(r, one.n) }, one.s.args...)
	what, found := a.judge(t, r)
	if what != wrong {
		if found = a.finish(t, what); len(found) > 0 {
			what = wrong
		}
	}
	if !r.broke() && what != wrong {
		return // there were fewer requests this time
	}
	column := one.s.name
	if one.s.bad && r.onTheWayBack() {
		column = backColumn
	}
	rs.add(result{column: column, fault: one.f.name, name: one.String(), end: what, wrong: found, took: time.Since(start)})
	t.Logf("%s: %s in %s, exit code %d", one, what, r.took.Round(time.Millisecond), r.code)
	if what == wrong {
		t.Errorf("%s\n%s\n%s", strings.Join(found, "\n"), r.said, r.lines())
	}
}
