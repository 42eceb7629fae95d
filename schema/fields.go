package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Field is a word of the language, as the schema's own comments tell it.
type Field struct {
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
	See      string   `json:"see,omitempty"`       // in Fields: the path where fields of the same kind of struct are listed
	Fields   []Field  `json:"fields,omitempty"`    // of a struct, without theirs
	Aliases  []string `json:"aliases,omitempty"`   // what others call it
	Instead  []string `json:"insteadOf,omitempty"` // words of others that it, or something below it, is written for
	Rules    []string `json:"rules,omitempty"`     // in Explain: the names of rules about it
}

// Explain says what a field is, for a path such as "services.probes.readiness", or
// with names "services.web.probes.readiness"; "" is the App. The error is an
// *UnknownFieldError. What it gives is shared, and to be read only.
func Explain(path string) (Field, error) {
	s, err := told()
	if err != nil {
		return Field{}, err
	}
	at, known, err := s.find(path)
	if err != nil {
		return Field{}, err
	}
	f := s.tell(at, known)
	for _, sub := range below(at).named() {
		f.Fields = append(f.Fields, s.tell(sub, join(known, sub.name)))
	}
	f.Rules = s.rulesAbout(at, known)
	return f, nil
}

// Fields gives every field of the language: the App's by themselves, each followed
// by its own, in the order of the schema. The fields of a kind of struct are listed
// once; Field.See is where.
func Fields() ([]Field, error) {
	s, err := told()
	if err != nil {
		return nil, err
	}
	listed := map[string]string{}
	var all []Field
	s.walk(func(f *field, path string) bool {
		d := s.tell(f, path)
		if in := below(f); in.definition != "" && in.structs {
			if d.See = listed[in.definition]; d.See == "" {
				listed[in.definition] = path
			}
		}
		all = append(all, d)
		return d.See == ""
	})
	return all, nil
}

// walk visits the fields of the App in order, each before its own, which are
// visited if visit says so.
func (s *shapes) walk(visit func(f *field, path string) bool) {
	var in func(at *field, path string)
	in = func(at *field, path string) {
		for _, sub := range below(at).fields {
			if path := join(path, sub.name); visit(sub, path) {
				in(sub, path)
			}
		}
	}
	in(s.top, "")
}

// find goes along a path, and gives the field and its path without names.
func (s *shapes) find(path string) (*field, string, error) {
	at, known := s.top, ""
	e := &UnknownFieldError{Path: path}
	for names := strings.FieldsFunc(path, func(r rune) bool { return r == '.' }); len(names) > 0; names = names[1:] {
		name, last := names[0], len(names) == 1
		next, named := step(at, name)
		if named && last && misspelt(below(at), name) {
			next = nil
		}
		if next == nil {
			wrong := UnknownName{In: known, Name: name, Near: nearWord(below(at), name), Have: below(at).names()}
			e.Names = append(e.Names, wrong)
			if next, named = step(at, wrong.Near); next == nil {
				break
			}
			name = wrong.Near
		}
		at = next
		if !named {
			known = join(known, name)
		}
	}
	if len(e.Names) == 0 {
		return at, known, nil
	}
	if e.Names[len(e.Names)-1].Near != "" {
		e.Meant = []string{known}
	} else if len(e.Names) == 1 && e.Names[0].In == "" {
		e.Meant = s.named(e.Names[0].Name)
	}
	return nil, "", e
}

// named gives the paths of the fields of a name, or that are called by it elsewhere
// when there are none: the shortest first, at most three.
func (s *shapes) named(name string) []string {
	var exact, called []string
	seen := map[*field]bool{}
	s.walk(func(f *field, path string) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		switch {
		case strings.EqualFold(f.name, name):
			exact = append(exact, path)
		case slices.ContainsFunc(f.aka, func(aka string) bool { return strings.EqualFold(aliasName(aka), name) }):
			called = append(called, path)
		}
		return true
	})
	paths := exact
	if len(exact) == 0 {
		paths = called
	}
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")) })
	return paths[:min(len(paths), 3)]
}

// below gives the struct that the fields below a field are of: of a struct by
// names that of its values.
func below(f *field) *shape {
	in := f.shape
	for len(in.fields) == 0 && len(in.patterns) == 1 && in.patterns[0].shape.structs {
		in = in.patterns[0].shape
	}
	return in
}

// anyName is the name of a pattern: what a struct takes beside the fields that it
// names.
const anyName = "*"

// named gives the fields of a struct, and one of any name when it takes others.
func (s *shape) named() []*field {
	if len(s.fields) == 0 {
		return nil
	}
	return slices.Concat(s.fields, s.patterns)
}

// step goes on to the field of a name, or, with a name that the user chose, stays.
func step(at *field, name string) (next *field, named bool) {
	if f := below(at).field(name); f != nil {
		return f, false
	}
	if s := at.shape; name != "" && len(s.fields) == 0 && len(s.patterns) == 1 && s.patterns[0].shape.structs {
		return &field{name: at.name, must: at.must, remark: at.remark, shape: s.patterns[0].shape}, true
	}
	return nil, false
}

// describe says what a field is.
func (s *shapes) describe(f *field, path string) Field {
	d := Field{
		Path: path, Name: f.name, Type: f.must, Required: f.required,
		Doc: f.remark.plain(), Default: f.remark.fallback, Becomes: f.remark.becomes,
	}
	if in := f.shape; len(in.fields) == 0 && len(in.patterns) == 1 {
		d.Keys = in.patterns[0].key
	} else if f.name == anyName {
		d.Keys = f.key
	}
	d.Type = cmp.Or(d.Type, inWords(f.shape))
	if in := below(f); in.definition != "" && in.structs && s.definitions[in.definition] != nil {
		d.About = newRemark(s.definitions[in.definition]).plain()
		if len(in.fields) > 0 {
			d.Kind = in.definition[1:]
		}
	}
	for _, aka := range f.aka {
		if word, _, redirects := strings.Cut(aka, "="); redirects {
			d.Instead = append(d.Instead, word)
		} else {
			d.Aliases = append(d.Aliases, word)
		}
	}
	return d
}

// inWords says in words what a struct is.
func inWords(s *shape) string {
	if len(s.fields) > 0 || len(s.patterns) != 1 {
		return "a struct"
	}
	p := s.patterns[0]
	each := cmp.Or(p.must, inWords(p.shape))
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
