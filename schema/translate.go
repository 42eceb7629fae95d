package schema

import (
	"fmt"
	"regexp"
	"strings"

	cueerrors "cuelang.org/go/cue/errors"
)

// one translates the errors that CUE has about one path.
func (t *translator) one(path string, errs []cueerrors.Error) *Error {
	places := t.places(path, errs)
	e := &Error{Path: path, Pos: places[0], Related: places[1:]}
	texts := make([]string, len(errs))
	for i, c := range errs {
		texts[i] = strings.TrimPrefix(c.Error(), path+": ") // with its causes
	}
	text := strings.Join(texts, "; ")
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has(" not found") && referenceName.MatchString(text):
		t.reference(e, referenceName.FindStringSubmatch(text)[1])
	case has("undefined field"):
		t.undefined(e, text)
	case has("structural cycle", "cycle error", "cyclic reference", "cycle with field", "mutual dependency"):
		e.Code = Evaluation
		e.Message = subject(path) + " refers to itself"
		e.Hint = "break the circle: give one of the values in it without a reference"
	case has("errors in empty disjunction", "empty disjunction"):
		t.noneFits(e)
	case has("conflicting values", "incompatible list lengths"):
		t.conflict(e)
	case has("field not allowed"):
		e.Code = UnknownField
		i := strings.LastIndexByte(path, '.')
		e.Message = fmt.Sprintf("%s may not have a field %q", subject(path[:max(i, 0)]), path[i+1:])
		e.Why = "a definition or close() of this project allows other fields only"
		if p := t.loc.labels[path]; p.IsValid() {
			e.Pos, e.Related = p, nil
		}
	case has("out of bound"):
		t.outOfBound(e, text)
	case has("field is required but not present"):
		e.Code = NoValue
		e.Message = subject(path) + " is required by a definition of this project, but is not there"
		e.Hint = "give it a value"
	case has("incomplete", "non-concrete", "unresolved disjunction", "not concrete"):
		t.noValue(e)
	case has("ambiguous", "multiple defaults"):
		e.Code = NoValue
		e.Message = subject(path) + " has more than one default"
		e.Hint = "give it a value"
	case has("explicit error"):
		e.Code = Evaluation
		e.Message = subject(path) + " is an error, written as one"
		e.Hint = "write a value"
	case has("division by zero"):
		e.Code = Evaluation
		e.Message = subject(path) + " divides by zero"
	default:
		e.Code = Evaluation
		e.Message = clean(text)
		if path != "" {
			e.Message = path + ": " + e.Message
		}
	}
	return e
}

var referenceName = regexp.MustCompile(`(?:reference|predeclared name|import) "([^"]*)" not found`)

func (t *translator) reference(e *Error, name string) {
	e.Code = Reference
	e.Message = fmt.Sprintf("%q is not defined", name)
	e.Related = nil
	e.Hint = fmt.Sprintf("define it, or put quotes around a text: %q", name)
	if name == "v1" {
		e.Hint = `import "shipit.dev/v1" at the top of this file`
	}
}

var undefinedName = regexp.MustCompile(`undefined field: ([^;]*)`)

func (t *translator) undefined(e *Error, text string) {
	e.Code = Reference
	name := "field"
	if m := undefinedName.FindStringSubmatch(text); m != nil {
		name = strings.Trim(strings.TrimSpace(m[1]), `"`)
	}
	e.Message = fmt.Sprintf("there is no %q to refer to", name)
	if e.Path != "" {
		e.Message = fmt.Sprintf("%s refers to %q, which is not there", e.Path, name)
	}
	e.Hint = "check its spelling, or define it"
	if !strings.HasPrefix(name, "#") {
		return
	}
	e.Hint += "; an App is v1.#App"
	if near := nearestName(name, t.definitions); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
}

// conflict is about two values for one path.
func (t *translator) conflict(e *Error) {
	e.Code = Conflict
	places := append([]Pos{e.Pos}, e.Related...)
	var values []Pos
	var sources []string
	if len(places) < 2 {
		places = t.loc.all[e.Path]
	}
	for _, p := range places {
		if s := t.syntax.source(p); s != "" {
			values, sources = append(values, p), append(sources, s)
		}
	}
	e.Message = subject(e.Path) + " has values that exclude each other"
	e.Related = nil
	if len(values) >= 2 {
		e.Pos, e.Related = values[0], values[1:]
		e.Message = fmt.Sprintf("%s is both %s and %s", subject(e.Path), sources[0], strings.Join(sources[1:], " and "))
	}
	e.Why = "CUE combines what is said about a field; it never overrides"
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	switch {
	case len(sources) < 2 || name == "":
		e.Hint = "remove one of them"
	case strings.HasPrefix(sources[0], "["):
		e.Hint = "remove one of them: lists are not joined"
	default:
		e.Hint = fmt.Sprintf("remove one, or make one a default: %s: *%s | %s", name, sources[0], typeOf(sources[0]))
	}
}

// typeOf guesses the type of a value from how it is written.
func typeOf(source string) string {
	switch {
	case strings.HasPrefix(source, `"`):
		return "string"
	case source == "true" || source == "false":
		return "bool"
	case regexp.MustCompile(`^-?[0-9_]+$`).MatchString(source):
		return "int"
	case regexp.MustCompile(`^-?[0-9.]+$`).MatchString(source):
		return "number"
	}
	return "_"
}

// tagValue is how CUE's loader puts a tag into a field with alternatives.
var tagValue = regexp.MustCompile(`^\((.*)\) & (.*)$`)

// noneFits is about a value and alternatives none of which takes it.
func (t *translator) noneFits(e *Error) {
	e.Code = Conflict
	var sources []string
	for _, p := range append([]Pos{e.Pos}, e.Related...) {
		if s := t.syntax.source(p); s != "" {
			sources = append(sources, s)
		}
	}
	e.Message = subject(e.Path) + " is none of the values it may be"
	if tag := t.syntax.tags[e.Pos]; tag != "" {
		e.Message = fmt.Sprintf("the tag %q is none of the values it may be", tag)
		if m := tagValue.FindStringSubmatch(sources[0]); m != nil {
			e.Message = fmt.Sprintf("the tag %q is %s, but may be %s", tag, m[2], m[1])
		}
		e.Hint = fmt.Sprintf("give another on the command line: -t %s=…", tag)
		return
	}
	if len(sources) > 1 {
		e.Message = fmt.Sprintf("%s cannot be both %s", subject(e.Path), strings.Join(sources, " and "))
	}
	e.Hint = "change one of them"
}

var bound = regexp.MustCompile(`invalid value (.*) \(out of bound (.*)\)`)

// outOfBound is about a constraint in the project itself.
func (t *translator) outOfBound(e *Error, text string) {
	e.Code = Conflict
	e.Message = subject(e.Path) + " does not meet a constraint of this project"
	if m := bound.FindStringSubmatch(text); m != nil {
		e.Message = fmt.Sprintf("%s is %s, but must be %s", subject(e.Path), m[1], m[2])
	}
}

// noValue is about something that has a type, but no value.
func (t *translator) noValue(e *Error) {
	e.Code = NoValue
	e.Message = subject(e.Path) + " has no value"
	for _, p := range append([]Pos{e.Pos}, e.Related...) {
		if tag := t.syntax.tags[p]; tag != "" {
			e.Message = fmt.Sprintf("%s needs the tag %q", subject(e.Path), tag)
			e.Hint = fmt.Sprintf("give it on the command line: -t %s=…", tag)
			return
		}
	}
	e.Hint = "write a value"
	switch s := t.syntax.source(e.Pos); {
	case strings.Contains(s, " | "):
		e.Message = subject(e.Path) + " is not decided: it may be " + s
		e.Hint = "write one of them, or mark the default with *"
	case s != "":
		e.Message += ": it is only " + s
	}
}

// clean takes words out of CUE's text that only make sense to its authors.
func clean(text string) string {
	return strings.NewReplacer(
		"empty disjunction", "no alternative fits",
		"incomplete value", "no value for",
		"conflicting values", "values that exclude each other:",
		"field not allowed", "unknown field",
	).Replace(text)
}
