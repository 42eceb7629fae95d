package schema

import (
	"slices"
	"strings"
	"sync"

	"github.com/shipit-dev/shipit/schema/rule"
)

// told is what the schema says, read once, and from then on only looked at:
// Explain, Fields and Parts may be called from any goroutine.
var told = sync.OnceValues(func() (*said, error) {
	s, err := readShapes()
	if err != nil {
		return nil, err
	}
	l := &said{shapes: s, examples: s.examples(), fields: map[*field]Field{s.top: s.describe(s.top, "")}}
	for _, all := range s.made {
		for _, f := range slices.Concat(all.fields, all.patterns) {
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
	*shapes
	examples examples
	fields   map[*field]Field // without their paths and examples
	rules    []ruleAt
}

// ruleAt is a field that a rule is about.
type ruleAt struct {
	rule string
	at   *field
	path string
}

func (s *said) describeAll(f *field) {
	if _, ok := s.fields[f]; ok {
		return
	}
	s.fields[f] = s.describe(f, "")
	for _, sub := range slices.Concat(f.shape.fields, f.shape.patterns) {
		s.describeAll(sub)
	}
}

// tell describes a field, with the example that shows it best.
func (s *said) tell(f *field, path string) Field {
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
func (s *said) rulesAbout(at *field, path string) []string {
	all := path == "" || path == "services" || path == "environments"
	var names []string
	for _, r := range s.rules {
		if r.at == at || r.path == path || !all && strings.HasPrefix(r.path, path+".") {
			names = append(names, r.rule)
		}
	}
	return slices.Compact(names)
}
