package schema

import (
	"cmp"
	"embed"
	"fmt"
	"regexp"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// reference is an App with every word of the language, for examples.
//
//go:embed reference/*.cue
var reference embed.FS

// Field is a word of the language, as the schema's own comments tell it.
type Field struct {
	Path     string   `json:"path"`              // the words that lead to it; names that the user chooses are left out: "services.probes.http"
	Name     string   `json:"name"`              // the last of them; "" is the App
	Type     string   `json:"type"`              // what its value must be, in words
	Keys     string   `json:"keys,omitempty"`    // of a struct by names: what these must be
	Doc      string   `json:"doc"`               // what it is, without its default
	About    string   `json:"about,omitempty"`   // what its kind of struct is
	Default  string   `json:"default,omitempty"` // what it is when it is not written; "" says nothing
	Required bool     `json:"required"`
	Example  string   `json:"example,omitempty"` // in CUE, from the top of the App
	See      string   `json:"see,omitempty"`     // in Fields: the path where fields of the same kind of struct are listed
	Fields   []Field  `json:"fields,omitempty"`  // of a struct, without theirs
	Aliases  []string `json:"aliases,omitempty"` // what others call it
}

// UnknownFieldError is a path that Explain does not find.
type UnknownFieldError struct {
	Path string   // as far as it is known
	Name string   // what comes next and is not
	Near string   // what was probably meant; may be empty
	Have []string // what there is
}

func (e *UnknownFieldError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("the App has no field %q", e.Name)
	}
	return fmt.Sprintf("%s has no field %q", e.Path, e.Name)
}

// Hint says what to write instead.
func (e *UnknownFieldError) Hint() string {
	switch {
	case e.Near != "":
		return fmt.Sprintf("did you mean %q?", strings.TrimPrefix(e.Path+"."+e.Near, "."))
	case len(e.Have) == 0:
		return ""
	}
	return "it has " + strings.Join(e.Have, ", ")
}

// Explain says what a field is, for a path such as "services.probes.readiness", or
// with names "services.web.probes.readiness"; "" is the App. The error is an
// *UnknownFieldError.
func Explain(path string) (Field, error) {
	s, err := newShapes()
	if err != nil {
		return Field{}, err
	}
	at := &field{shape: s.definition("#App")}
	known := ""
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '.' })
	for i, name := range names {
		next, named := step(at, name)
		if next == nil || named && i == len(names)-1 && alias(below(at), name) != "" {
			e := &UnknownFieldError{Path: known, Name: name, Have: below(at).names()}
			e.Near = nearWord(below(at), name)
			return Field{}, e
		}
		at = next
		if !named {
			known = join(known, name)
		}
	}
	f := s.describe(at, known)
	examples := newExamples(s)
	f.Example = examples.find(known, at)
	for _, sub := range below(at).fields {
		d := s.describe(sub, join(known, sub.name))
		d.Example = examples.find(d.Path, sub)
		f.Fields = append(f.Fields, d)
	}
	return f, nil
}

// Fields gives every field of the language: the App's by themselves, each followed
// by its own, in the order of the schema. The fields of a kind of struct are listed
// once; Field.See is where.
func Fields() ([]Field, error) {
	s, err := newShapes()
	if err != nil {
		return nil, err
	}
	examples := newExamples(s)
	listed := map[string]string{}
	var all []Field
	var list func(at *field, path string)
	list = func(at *field, path string) {
		in := below(at)
		for _, sub := range in.fields {
			f := s.describe(sub, join(path, sub.name))
			f.Example = examples.find(f.Path, sub)
			in := below(sub)
			see := ""
			if in.definition != "" && in.structs {
				if see = listed[in.definition]; see == "" {
					listed[in.definition] = f.Path
				}
			}
			f.See = see
			all = append(all, f)
			if see == "" {
				list(sub, f.Path)
			}
		}
	}
	list(&field{shape: s.definition("#App")}, "")
	return all, nil
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

// step goes on to the field of a name, or, with a name that the user chose, stays.
func step(at *field, name string) (next *field, named bool) {
	if f := below(at).field(name); f != nil {
		return f, false
	}
	if s := at.shape; len(s.fields) == 0 && len(s.patterns) == 1 && s.patterns[0].shape.structs {
		return &field{name: at.name, must: at.must, text: at.text, shape: s.patterns[0].shape}, true
	}
	return nil, false
}

// nearWord gives the field that was probably meant, by its name or what it is
// called elsewhere.
func nearWord(s *shape, name string) string {
	return cmp.Or(alias(s, name), nearestName(name, s.names()))
}

// alias gives the field that is called by a name elsewhere, or "".
func alias(s *shape, name string) string {
	for _, f := range s.fields {
		for _, aka := range f.aka {
			if word, _, _ := strings.Cut(aka, "="); word == name {
				return f.name
			}
		}
	}
	return ""
}

var definitionName = regexp.MustCompile(`#([A-Z][A-Za-z]*)`)

// describe says what a field is.
func (s *shapes) describe(f *field, path string) Field {
	d := Field{Path: path, Name: f.name, Type: f.must, Required: f.required}
	d.Doc, d.Default = splitDefault(f.text)
	d.Doc = definitionName.ReplaceAllString(d.Doc, "{…}")
	in := f.shape
	if len(in.fields) == 0 && len(in.patterns) == 1 {
		p := in.patterns[0]
		d.Keys = p.key
		if d.Type == "" && p.must != "" {
			d.Type = "a struct by name, of " + p.must
		}
		if d.Type == "" {
			d.Type = "a struct by name"
		}
	}
	if d.Type == "" {
		d.Type = "a struct"
	}
	if name := below(f).definition; name != "" && below(f).structs {
		d.About, _ = splitDefault(s.about(name))
		d.About = strings.TrimPrefix(d.About, "#")
		d.About = definitionName.ReplaceAllString(d.About, "{…}")
	}
	for _, aka := range f.aka {
		word, _, _ := strings.Cut(aka, "=")
		d.Aliases = append(d.Aliases, word)
	}
	return d
}

// about gives the comment of a definition.
func (s *shapes) about(definition string) string {
	d := s.definitions[definition]
	if d == nil {
		return ""
	}
	return wholeComment(d)
}

// splitDefault takes the sentence about the default out of a comment.
func splitDefault(text string) (doc, fallback string) {
	before, rest, ok := strings.Cut(text, "Default: ")
	if !ok {
		return text, ""
	}
	fallback, after, _ := strings.Cut(rest, ". ")
	return strings.TrimSpace(before + after), strings.TrimSuffix(fallback, ".")
}

// wholeComment gives the documentation of a field as one line.
func wholeComment(f *ast.Field) string {
	for _, g := range ast.Comments(f) {
		if g.Doc {
			return strings.Join(strings.Fields(g.Text()), " ")
		}
	}
	return ""
}

// examples are parts of the reference, the shortest for each path, and for each
// field of a definition wherever that is used.
type examples struct {
	shapes *shapes
	of     map[string]string
	fields map[*field]string
}

func (x *examples) find(path string, f *field) string { return cmp.Or(x.of[path], x.fields[f]) }

func newExamples(s *shapes) *examples {
	x := &examples{shapes: s, of: map[string]string{}, fields: map[*field]string{}}
	entries, err := reference.ReadDir("reference")
	if err != nil {
		panic(err) // embedded above
	}
	for _, e := range entries {
		data, err := reference.ReadFile("reference/" + e.Name())
		if err != nil {
			panic(err)
		}
		f, err := parser.ParseFile(e.Name(), data)
		if err != nil {
			panic(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.EmbedDecl); ok {
				if app, ok := d.Expr.(*ast.BinaryExpr); ok && app.Op == token.AND {
					x.add(&field{shape: s.definition("#App")}, "", "", app.Y)
				}
			}
		}
	}
	return x
}

// add takes the fields of a struct, which is written behind the words of before.
func (x *examples) add(at *field, path, before string, value ast.Expr) {
	body, ok := value.(*ast.StructLit)
	if !ok {
		return
	}
	for _, d := range body.Elts {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		next, named := step(at, name)
		if next == nil {
			continue
		}
		label := name
		if !ast.IsValidIdent(name) {
			label = literal.Label.Quote(name)
		}
		to, words := path, before+label+": "
		if !named {
			to = join(path, name)
		}
		text, err := format.Node(f.Value, format.Simplify())
		if err != nil {
			continue
		}
		example := words + string(text)
		if x.of[to] == "" || len(example) < len(x.of[to]) {
			x.of[to] = example
		}
		if old := x.fields[next]; !named && (old == "" || len(example) < len(old)) {
			x.fields[next] = example
		}
		x.add(next, to, words, f.Value)
	}
}
