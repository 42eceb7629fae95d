package language

import (
	"slices"
	"strings"
	"sync"

	"github.com/shipit-dev/shipit/schema/rule"
)

// told is what the schema says, read once, and from then on only looked at:
// Explain, Entries and Parts may be called from any goroutine.
var told = sync.OnceValues(func() (*said, error) {
	s, err := Read()
	if err != nil {
		return nil, err
	}
	l := &said{Shapes: s, examples: s.examples(), fields: map[*Field]Entry{s.Top: s.describe(s.Top, "")}}
	for _, all := range s.made {
		for _, f := range slices.Concat(all.Fields, all.Patterns) {
			l.describeAll(f)
		}
	}
	for _, r := range rule.All() {
		for _, path := range r.Fields {
			if at, known, err := s.find(path); err == nil {
				l.rules = append(l.rules, ruleAt{r.Name, at, known})
			}
		}
	}
	return l, nil
})

// said is the schema as people are told of it.
type said struct {
	*Shapes
	examples examples
	fields   map[*Field]Entry // without their paths and examples
	rules    []ruleAt
}

// ruleAt is a field that a rule is about.
type ruleAt struct {
	rule string
	at   *Field
	path string
}

func (s *said) describeAll(f *Field) {
	if _, ok := s.fields[f]; ok {
		return
	}
	s.fields[f] = s.describe(f, "")
	for _, sub := range slices.Concat(f.Shape.Fields, f.Shape.Patterns) {
		s.describeAll(sub)
	}
}

// tell describes a field, with the example that shows it best.
func (s *said) tell(f *Field, path string) Entry {
	d, ok := s.fields[f]
	if !ok { // a struct by name, with one of them
		d = s.describe(f, path)
	}
	d.Path = path
	d.Example = s.examples.of(f, path).example
	return d
}

// rulesAbout gives the names of the rules about a field, and about what is below it
// when it is not as much as a whole service.
func (s *said) rulesAbout(at *Field, path string) []string {
	all := path == "" || path == "services" || path == "environments"
	var names []string
	for _, r := range s.rules {
		if r.at == at || r.path == path || !all && strings.HasPrefix(r.path, path+".") {
			names = append(names, r.rule)
		}
	}
	return slices.Compact(names)
}
