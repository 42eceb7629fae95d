package language

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// Entry is a word of the language, as the schema's own comments tell it.
type Entry struct {
	Path     string   `json:"path"`              // the words that lead to it; names that the user chooses are left out: "services.probes.http"
	Name     string   `json:"name"`              // the last of them; "" is the App
	Type     string   `json:"type"`              // what its value must be, in words
	Keys     string   `json:"keys,omitempty"`    // of a struct by names: what these must be
	Doc      string   `json:"doc"`               // what it is, without its default
	About    string   `json:"about,omitempty"`   // what its kind of struct is
	Default  string   `json:"default,omitempty"` // what it is when it is not written; "" says nothing
	Becomes  string   `json:"becomes,omitempty"` // what it is in Kubernetes, where that is called otherwise
	Required bool     `json:"required"`
	Example  string   `json:"example,omitempty"`   // in CUE, from the top of the App
	Kind     string   `json:"kind,omitempty"`      // of a struct: the Part that says what it has
	See      string   `json:"see,omitempty"`       // in Entries: the path where fields of the same kind of struct are listed
	Fields   []Entry  `json:"fields,omitempty"`    // of a struct, without theirs
	Aliases  []string `json:"aliases,omitempty"`   // what others call it
	Instead  []string `json:"insteadOf,omitempty"` // words of others that it, or something below it, is written for
	Rules    []string `json:"rules,omitempty"`     // in Explain: the names of rules about it
}

// Explain says what a field is, for a path such as "services.probes.readiness", or
// with names "services.web.probes.readiness"; "" is the App. The error is an
// *UnknownFieldError. What it gives is shared, and to be read only.
func Explain(path string) (Entry, error) {
	s, err := told()
	if err != nil {
		return Entry{}, err
	}
	at, known, err := s.find(path)
	if err != nil {
		return Entry{}, err
	}
	f := s.tell(at, known)
	for _, sub := range below(at).named() {
		f.Fields = append(f.Fields, s.tell(sub, Join(known, sub.Name)))
	}
	f.Rules = s.rulesAbout(at, known)
	return f, nil
}

// Entries gives every field of the language: the App's by themselves, each followed
// by its own, in the order of the schema. The fields of a kind of struct are listed
// once; Entry.See is where.
func Entries() ([]Entry, error) {
	s, err := told()
	if err != nil {
		return nil, err
	}
	listed := map[string]string{}
	var all []Entry
	s.walk(func(f *Field, path string) bool {
		d := s.tell(f, path)
		if in := below(f); in.Definition != "" && in.Structs {
			if d.See = listed[in.Definition]; d.See == "" {
				listed[in.Definition] = path
			}
		}
		all = append(all, d)
		return d.See == ""
	})
	return all, nil
}

// walk visits the fields of the App in order, each before its own, which are
// visited if visit says so.
func (s *Shapes) walk(visit func(f *Field, path string) bool) {
	var in func(at *Field, path string)
	in = func(at *Field, path string) {
		for _, sub := range below(at).Fields {
			if path := Join(path, sub.Name); visit(sub, path) {
				in(sub, path)
			}
		}
	}
	in(s.Top, "")
}

// find goes along a path, and gives the field and its path without names.
func (s *Shapes) find(path string) (*Field, string, error) {
	at, known := s.Top, ""
	e := &UnknownFieldError{Path: path}
	for names := strings.FieldsFunc(path, func(r rune) bool { return r == '.' }); len(names) > 0; names = names[1:] {
		name, last := names[0], len(names) == 1
		next, named := step(at, name)
		if named && last && (misspelt(below(at), name) || at.Name == "services" && s.foreign(name)) {
			next = nil
		}
		if next == nil {
			wrong := UnknownName{In: known, Name: name, Near: nearWord(below(at), name), Have: below(at).Names()}
			e.Names = append(e.Names, wrong)
			if last && len(e.Names) == 1 && (known == "" || known == "services" && nearest.Slip(name, wrong.Have) == "") {
				e.Meant = s.named(name)
			}
			if next, named = step(at, wrong.Near); next == nil {
				break
			}
			name = wrong.Near
		}
		at = next
		if !named {
			known = Join(known, name)
		}
	}
	if len(e.Names) == 0 {
		return at, known, nil
	}
	switch {
	case len(e.Meant) > 0:
	case e.Names[len(e.Names)-1].Near != "":
		e.Meant = []string{known}
	case len(e.Names) == 1 && e.Names[0].In == "":
		e.Meant = s.named(e.Names[0].Name)
	}
	return nil, "", e
}

// below gives the struct that the fields below a field are of: of a struct by
// names that of its values.
func below(f *Field) *Shape {
	in := f.Shape
	for len(in.Fields) == 0 && len(in.Patterns) == 1 && in.Patterns[0].Shape.Structs {
		in = in.Patterns[0].Shape
	}
	return in
}

// AnyName is the name of a pattern: what a struct takes beside the fields that it
// names.
const AnyName = "*"

// named gives the fields of a struct, and one of any name when it takes others.
func (s *Shape) named() []*Field {
	if len(s.Fields) == 0 {
		return nil
	}
	return slices.Concat(s.Fields, s.Patterns)
}

// step goes on to the field of a name, or, with a name that the user chose, stays.
func step(at *Field, name string) (next *Field, named bool) {
	if f := below(at).Field(name); f != nil {
		return f, false
	}
	if s := at.Shape; name != "" && len(s.Fields) == 0 && len(s.Patterns) == 1 && s.Patterns[0].Shape.Structs {
		return &Field{Name: at.Name, Must: at.Must, remark: at.remark, Shape: s.Patterns[0].Shape}, true
	}
	return nil, false
}

// describe says what a field is.
func (s *Shapes) describe(f *Field, path string) Entry {
	d := Entry{
		Path: path, Name: f.Name, Type: f.Must, Required: f.Required,
		Doc: f.remark.plain(), Default: f.remark.fallback, Becomes: f.remark.becomes,
	}
	if in := f.Shape; len(in.Fields) == 0 && len(in.Patterns) == 1 {
		d.Keys = in.Patterns[0].Key
	} else if f.Name == AnyName {
		d.Keys = f.Key
	}
	d.Type = cmp.Or(d.Type, inWords(f.Shape))
	if in := below(f); in.Definition != "" && in.Structs && s.Definitions[in.Definition] != nil {
		d.About = newRemark(s.Definitions[in.Definition]).plain()
		if len(in.Fields) > 0 {
			d.Kind = in.Definition[1:]
		}
	}
	for _, aka := range f.Aka {
		if word, _, redirects := strings.Cut(aka, "="); redirects {
			d.Instead = append(d.Instead, word)
		} else {
			d.Aliases = append(d.Aliases, word)
		}
	}
	return d
}

// inWords says in words what a struct is.
func inWords(s *Shape) string {
	if len(s.Fields) > 0 || len(s.Patterns) != 1 {
		return "a struct"
	}
	p := s.Patterns[0]
	each := cmp.Or(p.Must, inWords(p.Shape))
	if rest, ok := strings.CutPrefix(each, "by name, "); ok {
		return "by name and key, " + rest
	}
	return "by name, each " + each
}

// aliasName is the word of an @aka, without what to write for it.
func aliasName(aka string) string {
	word, _, _ := strings.Cut(aka, "=")
	return word
}
