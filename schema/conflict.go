package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"github.com/shipit-dev/shipit/schema/rule"
)

// conflict is about two values for one path.
func (t *translator) conflict(e *Error) {
	e.Code = rule.Conflict
	places := append([]Pos{e.Pos}, e.Related...)
	if len(places) < 2 {
		places = t.loc.all[e.Path]
	}
	if slices.ContainsFunc(places, func(p Pos) bool { return t.syntax().lists[p].IsValid() }) {
		if list := strings.TrimRight(e.Path, "0123456789"); strings.HasSuffix(list, ".") {
			e.Path = strings.TrimSuffix(list, ".") // not the item, but its list
		}
		for i, p := range places {
			places[i] = cmp.Or(t.syntax().lists[p], p)
		}
		slices.SortFunc(places, Pos.compare)
		places = slices.Compact(places)
	}
	if slices.ContainsFunc(t.syntax().referred(places), func(p Pos) bool { return t.tagConflict(e, p) }) {
		return
	}
	values, sources := t.sources(t.syntax().inner(places))
	if i := strings.LastIndexByte(e.Path, '.'); len(sources) < 2 && i >= 0 && strings.Trim(e.Path[i+1:], "0123456789") == "" {
		e.Path = e.Path[:i] // an item: the lists as they are written say more
		values, sources = t.sources(t.loc.all[e.Path])
	}
	if own := slices.DeleteFunc(slices.Clone(values), t.syntax().refers); len(own) > 1 {
		values, sources = t.sources(own) // where the values are written, not where they are used
	}
	e.Message = subject(e.Path) + " has values that exclude each other"
	e.Related = nil
	if len(values) == 1 && strings.Contains(sources[0], " & ") {
		e.Pos = values[0]
		e.Message = fmt.Sprintf("%s is %s, which exclude each other", subject(e.Path), sources[0])
	}
	if len(values) >= 2 {
		e.Pos, e.Related = values[0], values[1:]
		e.Message = fmt.Sprintf("%s is both %s and %s", subject(e.Path), sources[0], strings.Join(sources[1:], " and "))
	}
	e.Why = "CUE combines what is said about a field; it never overrides"
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	if t.environmentConflict(e, values, sources) {
		return
	}
	switch {
	case len(sources) == 1 && t.syntax().repeated[values[0]]:
		e.Pos = values[0]
		e.Message = fmt.Sprintf("%s gets several values, one in each turn of a for: %s", subject(e.Path), sources[0])
		e.Hint = "a name that a for makes is in parentheses: for name, x in … {(name): …}"
	case len(sources) < 2 || name == "":
		e.Hint = "remove one of them"
	case strings.HasPrefix(sources[0], "["):
		e.Hint = "remove one of them: lists are not joined"
	default:
		e.Hint = fmt.Sprintf("remove one, or make one a default: %s: *%s | %s", name, sources[0], typeOf(sources[0]))
	}
	if t.described(e.Path, values) > 1 {
		e.Hint += otherName
	}
}

const otherName = "; where these are two services, give one of them another name"

// described counts the places that describe the service which a path is in, with an
// image or a build, and have one of values in them.
func (t *translator) described(path string, values []Pos) int {
	parts := strings.Split(path, ".")
	if len(parts) < 3 || parts[0] != "services" {
		return 0
	}
	n := 0
	for _, f := range t.inst.Files {
		if t.project.isSchema(f.Filename) {
			continue
		}
		ast.Walk(f, func(x ast.Node) bool {
			field, ok := x.(*ast.Field)
			if !ok {
				return true
			}
			name, _, err := ast.LabelName(field.Label)
			body, isStruct := field.Value.(*ast.StructLit)
			if err != nil || name != parts[1] || !isStruct || !slices.ContainsFunc(body.Elts, runsSomething) {
				return true
			}
			from, to := t.project.pos(body.Pos()), t.project.pos(body.End())
			if slices.ContainsFunc(values, func(p Pos) bool { return p.File == from.File && from.compare(p) <= 0 && p.compare(to) < 0 }) {
				n++
			}
			return true
		}, nil)
	}
	return n
}

// runsSomething reports whether a field says what a service runs.
func runsSomething(d ast.Decl) bool {
	f, ok := d.(*ast.Field)
	if !ok {
		return false
	}
	name, _, err := ast.LabelName(f.Label)
	return err == nil && (name == "image" || name == "build")
}

// tagValue is how CUE's loader puts a tag into a field.
var tagValue = regexp.MustCompile(`^\(?(.*?)\)? & ("?[^&]*"?)$`)

// tagConflict is about the tag of a field at a place, whose value is none that the
// field may have; it reports whether that is so.
func (t *translator) tagConflict(e *Error, p Pos) bool {
	tag := t.syntax().tags[p]
	m := tagValue.FindStringSubmatch(t.syntax().source(p))
	if tag == "" || m == nil {
		return false
	}
	e.Pos, e.Related = p, nil
	e.Message = fmt.Sprintf("the tag %q is %s, but may be %s", tag, m[2], m[1])
	e.Hint = fmt.Sprintf("give another on the command line: -t %s=…", tag)
	for _, kind := range []string{"int", "number", "bool"} {
		if strings.HasPrefix(m[2], `"`) && strings.Contains(m[1], kind) {
			e.Why = "a tag gives a text, unless it says otherwise"
			e.Hint = fmt.Sprintf("write @tag(%s,type=%s)", tag, kind)
		}
	}
	return true
}

// sources gives those of places that are values, and how they are written.
func (t *translator) sources(places []Pos) (values []Pos, sources []string) {
	for _, p := range places {
		if s := t.syntax().source(p); s != "" {
			values, sources = append(values, p), append(sources, s)
		}
	}
	return values, sources
}

// environmentConflict is about a value of the environment and one of the rest of
// the App; it reports whether that is so.
func (t *translator) environmentConflict(e *Error, values []Pos, sources []string) bool {
	env := slices.IndexFunc(values, func(p Pos) bool { return t.loc.ofChosen[p] })
	base := slices.IndexFunc(values, func(p Pos) bool { return !t.loc.ofChosen[p] })
	if e.Path == "environment" {
		e.Message = "environment is written here, but shipit fills it in"
		e.Why, e.Related = "it is the name of the environment that was chosen", nil
		e.Hint = "write environment: string"
		return true
	}
	if env < 0 || base < 0 {
		return false
	}
	e.Pos, e.Related = values[env], slices.Delete(slices.Clone(values), env, env+1)
	e.Message = fmt.Sprintf("%s is %s in the environment %s, but %s outside of it", subject(e.Path), sources[env], t.loc.environment.name, sources[base])
	e.Why = "CUE combines what is said about a field; it never overrides"
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	kind := typeOf(sources[base])
	switch {
	case strings.HasPrefix(sources[base], "{"), strings.HasPrefix(sources[env], "{"):
		e.Hint = "write the same kind of value in both"
		return true
	case strings.Contains(sources[base], " | "):
		e.Hint = fmt.Sprintf("write a value that fits %s", sources[base])
		return true
	case strings.HasPrefix(sources[base], "["):
		kind = "[...]"
	}
	e.Hint = fmt.Sprintf("make the value outside a default, which an environment may change: %s: *%s | %s", name, sources[base], kind)
	return true
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

// noneFits is about a value and alternatives none of which takes it.
func (t *translator) noneFits(e *Error) {
	e.Code = rule.Conflict
	places, sources := t.sources(t.syntax().inner(append([]Pos{e.Pos}, e.Related...)))
	all, of := t.sources(t.loc.all[e.Path])
	if t.environmentConflict(e, all, of) {
		return
	}
	e.Message = subject(e.Path) + " is none of the values it may be"
	if t.tagConflict(e, e.Pos) {
		return
	}
	if len(sources) < 2 {
		places, sources = all, of
	}
	var may, is []string
	var at, also []Pos
	for i, s := range sources {
		if strings.Contains(s, " | ") {
			may, also = append(may, s), append(also, places[i])
		} else {
			is, at = append(is, s), append(at, places[i])
		}
	}
	switch {
	case len(may) > 0 && len(is) > 0:
		e.Message = fmt.Sprintf("%s is %s, but may be %s", subject(e.Path), strings.Join(is, " and "), strings.Join(may, " and "))
		e.Pos, e.Related = at[0], slices.Concat(at[1:], also)
		e.Hint = "write one that it may be, or add yours to them"
	case len(is) > 1:
		t.conflict(e)
	case len(may) > 1:
		e.Message = fmt.Sprintf("%s may be %s: no value is in both", subject(e.Path), strings.Join(may, ", and also "))
		e.Hint = "change one of them"
	default:
		e.Hint = "change one of them"
	}
}
