package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	cueerrors "cuelang.org/go/cue/errors"
	"github.com/shipit-dev/shipit/schema/rule"
)

// one translates the errors that CUE has about one path.
func (t *translator) one(path string, errs []cueerrors.Error) *Error {
	places := t.places(path, errs)
	if path == "" {
		path = t.loc.writtenAt(places[0])
	}
	e := &Error{Path: path, Pos: places[0], Related: places[1:]}
	texts := make([]string, len(errs))
	for i, c := range errs {
		texts[i] = strings.TrimPrefix(c.Error(), path+": ") // with its causes
	}
	text := strings.Join(texts, "; ")
	if strings.Contains(text, "_|_(") {
		text = printed.ReplaceAllString(text, "{…}") // a value with errors of its own in it
	}
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
		if p := t.project.pos(errs[0].Position()); p.IsValid() {
			e.Pos = p
		}
		t.reference(e, referenceName.FindStringSubmatch(text)[1])
	case has("imported and not used"):
		t.unused(e, text)
	case has("undefined field"):
		t.undefined(e, text)
	case has("structural cycle", "cycle error", "cyclic reference", "cycle with field", "mutual dependency"):
		e.Code = rule.Evaluation
		e.Message = subject(path) + " refers to itself"
		e.Hint = cmp.Or(t.ownName(e.Pos), "break the circle: give one of the values in it without a reference")
	case has("errors in empty disjunction", "empty disjunction"):
		t.noneFits(e)
	case has("conflicting values", "incompatible list lengths"):
		t.conflict(e)
	case has("field not allowed"):
		e.Code = rule.UnknownField
		i := strings.LastIndexByte(path, '.')
		e.Message = fmt.Sprintf("%s may not have a field %q", subject(path[:max(i, 0)]), path[i+1:])
		e.Why = "a definition or close() of this project allows other fields only"
		if p := t.loc.labels[path]; p.IsValid() {
			e.Pos, e.Related = p, nil
		}
	case has("out of bound"):
		t.outOfBound(e, text)
	case has("field is required but not present"):
		e.Code = rule.NoValue
		e.Message = subject(path) + " is required with !, but nobody gives it a value"
		e.Hint = "give it one, in a field without !"
		e.Related = nil
	case has("incomplete", "non-concrete", "unresolved disjunction", "not concrete"):
		t.noValue(e)
	case has("ambiguous", "multiple defaults"):
		e.Code = rule.NoValue
		e.Message = subject(path) + " has more than one default"
		e.Hint = "give it a value"
	case has("explicit error"):
		e.Code = rule.Evaluation
		e.Message = subject(path) + " is an error, written as one"
		e.Hint = "write a value"
	case has("division by zero"):
		e.Code = rule.Evaluation
		e.Message = subject(path) + " divides by zero"
	case tooMany.MatchString(text):
		m := tooMany.FindStringSubmatch(text)
		e.Code, e.Rule = rule.Evaluation, rule.InputLimit
		e.Message = fmt.Sprintf("%s repeats something %s times", subject(path), m[1])
		e.Why, e.Hint = bounded, m[2]+" times is the most"
	case t.operation(e, text):
	default:
		e.Code = rule.Evaluation
		e.Message = clean(text)
		if path != "" {
			e.Message = path + ": " + e.Message
		}
	}
	return e
}

// tooMany is what CUE itself refuses to make.
var tooMany = regexp.MustCompile(`count (\d+) exceeds limit of (\d+)`)

var printed = regexp.MustCompile(`\{.*\}`)

var referenceName = regexp.MustCompile(`(?:reference|predeclared name|import) "([^"]*)" not found`)

// hyphened is what is before the second part of a name with a hyphen that a dot selects.
var hyphened = regexp.MustCompile(`\.\w+-\w$`)

// packages are those of CUE's own that projects are likely to use, by the names that
// files call them.
var packages = map[string]string{
	"strings": "strings", "list": "list", "math": "math", "net": "net", "path": "path", "regexp": "regexp", "strconv": "strconv", "struct": "struct",
	"text": "text/template", "template": "text/template", "time": "time", "json": "encoding/json", "yaml": "encoding/yaml", "base64": "encoding/base64",
	"hex": "encoding/hex", "sha256": "crypto/sha256",
}

var undefinedName = regexp.MustCompile(`undefined field: ([^;]*)`)

func (t *translator) undefined(e *Error, text string) {
	e.Code = rule.Reference
	name := "field"
	if m := undefinedName.FindStringSubmatch(text); m != nil {
		name = strings.Trim(strings.TrimSpace(m[1]), `"`)
	}
	e.Message = fmt.Sprintf("there is no %q to refer to", name)
	if e.Path != "" {
		e.Message = fmt.Sprintf("%s refers to %q, which is not there", e.Path, name)
	}
	e.Hint = "check its spelling, or define it"
	near := ""
	if x := t.syntax().selection(name, append([]Pos{e.Pos}, e.Related...)); x != nil && dotted(x.X) == "v1" && !strings.HasPrefix(name, "#") {
		if near := nearestName("#"+name, sortedKeys(t.shapes.Definitions)); near != "" {
			e.Related, e.Hint = nil, fmt.Sprintf("did you mean v1.%s?", near)
			return
		}
	}
	if x := t.syntax().selection(name, append([]Pos{e.Pos}, e.Related...)); x != nil {
		names := t.loc.namesIn(dotted(x.X))
		switch parts := strings.Split(dotted(x.X), "."); {
		case len(parts) == 2 && parts[0] == "services":
			names = append(names, t.shapes.Definition("#Service").Names()...)
		case len(parts) == 1 && parts[0] != "v1" && len(names) == 0: // an imported package
			names = t.syntax().exported[parts[0]]
		}
		near = nearestName(name, names)
	}
	if t.syntax().decides[e.Pos] && len(e.Related) > 0 {
		e.Pos = e.Related[0]
	}
	e.Related = nil
	if t.shapes.Definition("#Service").Field(name) != nil || t.shapes.Definition("#App").Field(name) != nil {
		e.Hint = fmt.Sprintf("check its spelling, or write it there: %s has no value as long as it is not written", name)
	}
	if t.loc.ofChosen[e.Pos] && strings.Contains(t.syntax().source(e.Pos), "services.") {
		e.Hint = fmt.Sprintf("inside of %s services are its own: write _app: services outside of it, and refer to _app", t.loc.environment.path())
	}
	if strings.HasPrefix(name, "_") {
		e.Hint = "check its spelling; what begins with _ is known in its own package only"
	}
	if near != "" && near != name {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	if !strings.HasPrefix(name, "#") {
		return
	}
	if near != "" {
		return
	}
	e.Hint += "; an App is v1.#App"
	if near := nearestName(name, sortedKeys(t.shapes.Definitions)); near != "" && near != name {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
}

// unused is about an import that nothing in its file uses.
func (t *translator) unused(e *Error, text string) {
	e.Code = rule.Import
	e.Message = clean(text)
	e.Hint = unusedImport
	if !strings.Contains(text, `"`+importPath+`"`) {
		return
	}
	for _, x := range t.syntax().selectors {
		if dotted(x) == "v1.#App" {
			return // in another file
		}
	}
	e.Hint = "write v1.#App & {…} around the fields of the App, or v1.#App on a line beside them"
}

// hideSecret takes out of an error all that could be the value of a secret, which
// somebody wrote in CUE after all.
func hideSecret(e *Error) {
	if !isSecret(e.Path) {
		return
	}
	e.Raw = ""
	switch e.Code {
	case rule.Reference, rule.UnknownField:
	case rule.NoValue:
		e.Message, e.Hint = e.Path+" has no value", "write where it comes from"
	case rule.Conflict:
		e.Message, e.Hint = e.Path+" has values that exclude each other", "remove one of them"
	default:
		e.Message, e.Hint = e.Path+" cannot be evaluated", ""
	}
}

var bound = regexp.MustCompile(`invalid value (.*) \(out of bound (.*)\)`)

// outOfBound is about a constraint in the project itself.
func (t *translator) outOfBound(e *Error, text string) {
	e.Code = rule.Conflict
	e.Message = subject(e.Path) + " does not meet a constraint of this project"
	if m := bound.FindStringSubmatch(text); m != nil {
		e.Message = fmt.Sprintf("%s is %s, but must be %s", subject(e.Path), m[1], m[2])
	}
}

// noValue is about something that has a type, but no value.
func (t *translator) noValue(e *Error) {
	e.Code = rule.NoValue
	e.Message = subject(e.Path) + " has no value"
	for _, p := range append([]Pos{e.Pos}, e.Related...) {
		if tag := t.syntax().tags[p]; tag != "" {
			e.Message = fmt.Sprintf("%s needs the tag %q", subject(e.Path), tag)
			e.Hint = fmt.Sprintf("give it on the command line: -t %s=…", tag)
			return
		}
	}
	e.Hint = "write a value"
	values, sources := t.sources(t.loc.all[e.Path])
	if len(slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return !strings.HasPrefix(s, "*") })) > 1 {
		e.Message = fmt.Sprintf("%s has more than one default: %s", subject(e.Path), strings.Join(sources, " and "))
		e.Pos, e.Related = values[0], values[1:]
		e.Hint = "keep one of them"
		if i := slices.IndexFunc(values, func(p Pos) bool { return t.loc.ofChosen[p] }); i >= 0 {
			e.Pos, e.Related = values[i], slices.Delete(slices.Clone(values), i, i+1)
			e.Hint = fmt.Sprintf("write a value in the environment %s, without a default", t.loc.environment.name)
		}
		return
	}
	switch s := t.syntax().source(e.Pos); {
	case t.syntax().embeds[e.Pos]:
		e.Message = subject(e.Path) + " embeds nothing"
		e.Why = "@embed does something only in files that begin with @extern(embed)"
		e.Hint = "write @extern(embed) above package"
	case defaults(s) > 1:
		e.Message = fmt.Sprintf("%s has more than one default: %s", subject(e.Path), s)
		e.Hint = "keep one *"
	case defaults(s) == 1:
		e.Message = fmt.Sprintf("%s has more than one default: %s, and another", subject(e.Path), s)
		e.Hint = "keep one of them; where a value is to win, write it without *"
		for _, p := range t.syntax().named[e.Path[strings.LastIndexByte(e.Path, '.')+1:]] {
			if p != e.Pos && defaults(t.syntax().source(p)) > 0 {
				e.Related = append(e.Related, p)
			}
		}
	case strings.Contains(s, " | "):
		e.Message = subject(e.Path) + " is not decided: it may be " + s
		e.Hint = "write one of them, or mark the default with *"
	case t.syntax().refers(e.Pos):
		e.Message += ": it is only " + s
		e.Hint = "give " + s + " a value"
	case s != "":
		e.Message += ": it is only " + s
	}
}

// defaults counts those of alternatives that are marked with *.
func defaults(source string) int {
	n := 0
	for _, one := range strings.Split(source, " | ") {
		if strings.HasPrefix(strings.TrimLeft(one, "("), "*") {
			n++
		}
	}
	return n
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
