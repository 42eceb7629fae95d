package apply

import (
	"fmt"
	"slices"
	"strings"
)

// SourceError says that another project deploys units of this request. Two that
// deploy one unit would undo each other's work in turn. Nothing was changed.
type SourceError struct {
	App    string
	Units  []string
	Source string // of the first
	Ours   string
}

func (e *SourceError) Error() string {
	what := "service " + strings.Join(e.Units, ", ")
	if len(e.Units) == 1 && e.Units[0] == AppUnit {
		what = "what belongs to no service (quota, limits, gateways, objects)"
	}
	return fmt.Sprintf("%s of app %s comes from the project %s, and this is %s", what, e.App, e.Source, e.Ours)
}

// Hint tells the ways out.
func (e *SourceError) Hint() string {
	if slices.Contains(e.Units, AppUnit) {
		return "let one of the projects say quota, limits, gateways and objects; to move them here, take them out there and deploy here with --take-over"
	}
	return "give it another name, or take it out there and deploy here with --take-over"
}

// elsewhere reports whether a unit is deployed, and by another project.
func (ix *index) elsewhere(unit, source string) bool {
	u := ix.Units[unit]
	return u != nil && u.Last > 0 && u.Source != "" && source != "" && u.Source != source
}

// ourSource returns a SourceError when a target is another project's. To return
// to a release is for both: the record says what it was.
func (m *mover) ourSource() error {
	if m.takeOver || m.releases != nil {
		return nil
	}
	var units []string
	for _, t := range m.targets {
		if m.snap.elsewhere(t.unit, m.c.owner.Source) {
			units = append(units, t.unit)
		}
	}
	if len(units) == 0 {
		return nil
	}
	return m.snap.notOurs(m.c.owner, units)
}

func (ix *index) notOurs(owner Owner, units []string) error {
	return &SourceError{App: owner.App, Units: units, Source: ix.Units[units[0]].Source, Ours: owner.Source}
}

// ofSource are the units of all that a call without names is about: those of its
// own project. Who names no project means all.
func (ix *index) ofSource(names []string, source string) (ours, others []string) {
	for _, name := range names {
		if ix.elsewhere(name, source) {
			others = append(others, name)
		} else {
			ours = append(ours, name)
		}
	}
	return ours, others
}

// leftAlone says which units a call without names did not touch.
func leftAlone(em *emitter, others []string) {
	if len(others) > 0 {
		em.once(Event{Kind: EventWarning, Message: "left alone, since another project deployed it: " + strings.Join(others, ", ")})
	}
}
