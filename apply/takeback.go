package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// aim is where a rollback takes one unit.
type aim struct {
	release int    // 0 when there is none to return to
	stopped string // the rollback that was stopped half-way and is finished; "" when a new one begins
	ended   bool   // that one had reached its end, and only not said so
}

// pastRecords reads what is recorded of deploys, each once.
type pastRecords struct {
	intent func(deploy string) (*intent, error) // nil when there is no record that can be read
	ended  func(deploy string) (bool, error)    // whether how it ended is recorded
}

// records of the cluster, whose requests are made under ctx.
func (s store) pastRecords(ctx context.Context, intents map[string]*intent) pastRecords {
	unknown := func(err error) bool {
		var damaged *DamagedStateError
		return errors.As(err, &damaged)
	}
	return pastRecords{
		intent: func(deploy string) (*intent, error) {
			if in, read := intents[deploy]; read {
				return in, nil
			}
			in, err := s.intent(ctx, deploy)
			if err != nil && !unknown(err) {
				return nil, err
			}
			intents[deploy] = in
			return in, nil
		},
		ended: func(deploy string) (bool, error) {
			err := s.get(ctx, outcomeType, s.outcomeName(deploy), &outcomeRecord{})
			if unknown(err) {
				return false, nil
			}
			return err == nil, err
		},
	}
}

// aim is where a unit goes that is returned by itself. One that a rollback was
// taking back when it was stopped goes where that was to; one that is not healthy, to
// its last healthy release; any other to the one that its release replaced.
func (ix *index) aim(name string, past pastRecords) (aim, error) {
	u := ix.Units[name]
	if u.State == StateDeploying {
		in, err := past.intent(u.Deploy)
		if err != nil {
			return aim{}, err
		}
		if in.takesBack(name, u.Release) {
			// A deletion that was stopped leaves the name of what had ended before it.
			how, err := ix.stoppedBy(name, past)
			if how == StoppedRollback {
				return aim{release: u.Release, stopped: u.Deploy}, err
			}
			return aim{release: u.Release}, err
		}
	}
	if u.unsettled() {
		return aim{release: u.Healthy}, nil
	}
	by, _, _ := u.broughtBy(u.Release)
	in, err := past.intent(by)
	if err != nil {
		return aim{}, err
	}
	switch {
	case in == nil:
	case in.takesBack(name, u.Release):
		ended, err := past.ended(by)
		if err != nil {
			return aim{}, err
		}
		if !ended {
			return aim{release: u.Release, stopped: by, ended: true}, nil
		}
	case in.Units[name].Release == u.Release:
		if r := u.release(in.Units[name].From); r != nil && r.Outcome == Deployed {
			return aim{release: r.Number}, nil
		}
	}
	return aim{release: u.previous()}, nil
}

// stoppedBy returns what left a unit half-way. A deletion leaves the name of what
// brought the unit where it is, which has ended.
func (ix *index) stoppedBy(name string, past pastRecords) (Stopped, error) {
	u := ix.Units[name]
	if u.Release == u.Healthy && !u.tried(u.Deploy) {
		if ended, err := past.ended(u.Deploy); ended || err != nil {
			return StoppedDelete, err
		}
	}
	in, err := past.intent(u.Deploy)
	if err != nil {
		return "", err
	}
	if in.takesBack(name, u.Release) {
		return StoppedRollback, nil
	}
	return StoppedDeploy, nil
}

// takesBack reports whether the intent is a rollback's, of the unit to the release.
func (in *intent) takesBack(unit string, release int) bool {
	return in != nil && in.Rollback && release > 0 && in.Units[unit].Release == release
}

// unsettled reports whether a deploy, a rollback or a deletion moved the unit and
// neither reached its end nor was undone.
func (u *unitState) unsettled() bool { return u.State == StateDeploying || u.State == StateFailed }

// lastAims is where a rollback takes which of names when it names none itself: it
// finishes the rollback that was stopped, or takes back what the last deploy has done
// or began, all of it: to releases that were there together. dead are the deploys that
// hold a lock and are known to be gone.
func (ix *index) lastAims(names []string, dead map[string]bool, past pastRecords) (map[string]aim, error) {
	moved := ix.unfinished(names, dead)
	if len(moved) == 0 {
		var err error
		if moved, err = ix.lastMoved(names, past); err != nil || len(moved) == 0 {
			return nil, err
		}
	}
	out := map[string]aim{}
	for _, name := range moved {
		a, err := ix.aim(name, past)
		if err != nil {
			return nil, err
		}
		out[name] = a
	}
	if !ix.Units[moved[0]].unsettled() {
		return out, nil
	}
	return out, ix.together(out, names, past)
}

// lastRemoved are the units that the last deploy removed, and its ID: what it did is not
// taken back without them. None are returned when others came after it, or when there is
// something to be finished first.
func (ix *index) lastRemoved(aims map[string]aim, source string, past pastRecords) (gone []string, deploy string, err error) {
	brought := map[string]bool{}
	for name, a := range aims {
		u := ix.Units[name]
		if u.unsettled() || a.stopped != "" {
			return nil, "", nil
		}
		by, _, _ := u.broughtBy(u.Release)
		brought[by] = true
	}
	for _, deploy := range ix.Recent {
		in, err := past.intent(deploy)
		if err != nil {
			return nil, "", err
		}
		if in != nil && in.Source == source && !in.Rollback { // which only removes what a deploy had added
			if gone := ix.missing(in.Removes); len(gone) > 0 {
				return gone, deploy, nil
			}
		}
		if brought[deploy] {
			break
		}
	}
	return nil, "", nil
}

// missing are those of names that are not deployed now.
func (ix *index) missing(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { u := ix.Units[name]; return u != nil && u.Release > 0 })
}

// together adds to the aims of units that are not settled what the deploys that moved
// them had to do with others.
func (ix *index) together(aims map[string]aim, names []string, past pastRecords) error {
	deploys := map[string]bool{}
	for name := range aims {
		maps.Copy(deploys, ix.Units[name].attempts())
	}
	var back *intent // the newest rollback that was stopped
	for _, deploy := range slices.Sorted(maps.Keys(deploys)) {
		in, err := past.intent(deploy)
		if err != nil {
			return err
		}
		if in == nil {
			continue
		}
		for _, name := range in.Removes {
			if _, has := aims[name]; !has && slices.Contains(names, name) {
				aims[name] = aim{release: ix.Units[name].Healthy} // it may be half removed
			}
		}
		stopped := slices.ContainsFunc(slices.Collect(maps.Values(aims)), func(a aim) bool { return a.stopped == deploy })
		if stopped && (back == nil || in.At.After(back.At)) {
			back = in
		}
	}
	for name := range aims {
		if back != nil && back.Units[name].Release > 0 {
			aims[name] = aim{release: back.Units[name].Release, stopped: back.Deploy}
		}
	}
	return nil
}

// attempts are the deploys that moved the unit since it was healthy.
func (u *unitState) attempts() map[string]bool {
	out := map[string]bool{}
	if !u.unsettled() {
		return out
	}
	out[u.Deploy] = true
	if u.Lock != nil {
		out[u.Lock.Deploy] = true
	}
	for _, r := range u.Releases {
		if r.Number > u.Healthy && r.Outcome != Deployed {
			out[r.Deploy] = true
		}
	}
	return out
}

// unfinished are those of names that what was stopped half-way left, or, if nothing
// was, the newest deploy that failed and was left, when nothing came after it: with
// all that the same deploys left so.
func (ix *index) unfinished(names []string, dead map[string]bool) []string {
	var out []string
	for _, name := range names {
		if u := ix.Units[name]; u.State == StateDeploying && (u.Lock == nil || dead[u.Lock.Deploy]) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		if last := ix.newest(names); last != "" && ix.Units[last].unsettled() {
			out = []string{last}
		}
	}
	deploys := map[string]bool{}
	for n := -1; n < len(deploys); {
		n = len(deploys)
		for _, name := range out {
			maps.Copy(deploys, ix.Units[name].attempts())
		}
		for _, name := range names {
			u := ix.Units[name]
			if slices.Contains(out, name) || !u.unsettled() {
				continue
			}
			if slices.ContainsFunc(slices.Collect(maps.Keys(u.attempts())), func(d string) bool { return deploys[d] }) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// newest is that of names which was moved last, but for what was undone.
func (ix *index) newest(names []string) string {
	last, when := "", time.Time{}
	for _, name := range names {
		u := ix.Units[name]
		at := u.At
		if !u.unsettled() {
			_, at, _ = u.broughtBy(u.Release)
		}
		if last == "" || at.After(when) {
			last, when = name, at
		}
	}
	return last
}

// lastMoved are those of names that the newest deploy or rollback brought where they
// are. All of names are settled, or were removed.
func (ix *index) lastMoved(names []string, past pastRecords) ([]string, error) {
	by := func(name string) (string, time.Time, error) {
		u := ix.Units[name]
		deploy, at, _ := u.broughtBy(u.Release)
		in, err := past.intent(deploy)
		if r := u.release(u.Release); r != nil && in != nil && in.Rollback && !in.takesBack(name, u.Release) {
			deploy, at = r.Deploy, r.At // that rollback was undone, and an older shipit did not say so
		}
		return deploy, at, err
	}
	var last string
	var when time.Time
	brought := map[string]string{}
	for _, name := range names {
		deploy, at, err := by(name)
		if err != nil {
			return nil, err
		}
		brought[name] = deploy
		if last == "" || at.After(when) {
			last, when = deploy, at
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return brought[name] != last }), nil
}
