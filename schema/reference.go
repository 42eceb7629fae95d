package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"github.com/shipit-dev/shipit/schema/rule"
)

// reference is about a name that nothing has: a slip, or a text without quotes.
func (t *translator) reference(e *Error, name string) {
	e.Code = rule.Reference
	e.Related = nil
	line, _ := t.project.lines(e.Pos)
	whole, selected := t.whole(e.Pos), t.syntax().selected[e.Pos]
	near := nearestName(name, t.visible(e.Pos, selected))
	text, of := textAround(line, e.Pos, name)
	e.Hint = fmt.Sprintf("define it, or put quotes around a text: %q", name)
	switch path := packages[name]; {
	case hyphened.MatchString(line[:min(e.Pos.Column, len(line))]):
		e.Hint = `a name with a hyphen stands in brackets and quotes: services["my-db"]`
	case selected && elsewhere[name]:
		e.Hint = taken(name)
	case text != "" && (!selected || near == "" && path == "" && !strings.HasPrefix(name, "_")):
		name, e.Pos.Column = text, of
		e.Hint = fmt.Sprintf("put quotes around a text: %q", text)
	case yamlWords[name] != "":
		e.Hint = "write " + yamlWords[name]
	case name == "v1":
		e.Hint = `import "shipit.dev/v1" at the top of this file`
	case name == "environment":
		e.Hint = "write environment: string beside it: shipit fills in the name of the chosen environment"
	case path != "" && selected:
		e.Hint = fmt.Sprintf("import %q at the top of this file", path)
	case noColon.MatchString(t.project.from(e.Pos)):
		m := noColon.FindStringSubmatch(t.project.from(e.Pos))
		e.Hint = fmt.Sprintf("a colon is missing behind it: write %s: %s", name, m[1]+m[2])
	case whole && namedSets[t.fieldAt(line, e.Pos)]:
		e.Hint = fmt.Sprintf("write %s: {%s: {}}", t.fieldAt(line, e.Pos), name)
	case flatSetBefore.MatchString(line[:max(min(e.Pos.Column-1, len(line)), 0)]):
		e.Hint = fmt.Sprintf("write %s: {}", name)
	case near != "" && whole && !strings.HasPrefix(name, "_"):
		e.Hint = fmt.Sprintf("put quotes around a text: %q; or did you mean %s?", name, near)
	case near != "":
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	case selected:
		e.Hint = taken(name)
	case strings.HasPrefix(name, "_"):
		e.Hint = "define it; a value from the command line is " + name + ": string @tag(" + strings.TrimLeft(name, "_") + ")"
	}
	e.Message = fmt.Sprintf("%q is not defined", name)
}

// elsewhere are names that other tools select values of.
var elsewhere = map[string]bool{"var": true, "local": true, "data": true, "module": true, "each": true, "Values": true, "values": true, "Release": true, "Chart": true, "env": true, "vars": true}

// taken says how a value is taken from the command line, in place of what name selects.
func taken(name string) string {
	return fmt.Sprintf("define %s; a value from the command line is a field: _tag: string @tag(tag)", name)
}

// noColon is a name with a value behind it, and no colon between.
var noColon = regexp.MustCompile(`^\w+(?:\s+(\[)|\s*\n\s*(\{))`)

// whole reports whether a name is all of a value, or of the item of a list: then it may
// be a text.
func (t *translator) whole(at Pos) bool {
	if _, ok := t.syntax().values[at].(*ast.Ident); ok {
		return true
	}
	_, item := t.syntax().lists[at]
	return item && endOfItem.MatchString(t.project.from(at))
}

var endOfItem = regexp.MustCompile(`^\w+\s*[,\]]`)

// oneWord is a text without spaces that CUE takes for something to calculate: of names
// with signs between them that no name has.
var oneWord = regexp.MustCompile(`^[\w.~/:@%$-]+$`)

// textAround gives the text without quotes that a name is only a part of, and its column;
// "" is none.
func textAround(line string, at Pos, name string) (text string, column int) {
	u, ok := unquotedAt(line, at.Column)
	if !ok || u.text == name || !oneWord.MatchString(u.text) {
		return "", 0
	}
	return u.text, u.column
}

// namedSets are fields in which the names of services stand.
var namedSets = map[string]bool{"needs": true, "calls": true, "callers": true}

// flatSetBefore is what is before a name in a set of such, without a value of its own.
var flatSetBefore = regexp.MustCompile(`\b(needs|calls|callers):\s*\{\s*([\w-]+(:\s*\{\})?\s*,\s*)*$`)

// fieldAt names the field whose value is at a place, or "".
func (t *translator) fieldAt(line string, at Pos) string {
	u, _ := unquotedAt(line, at.Column)
	return u.label
}

// ownName helps with a value that is only the name of the field that it is of, or is
// in; "" is none.
func (t *translator) ownName(at Pos) string {
	x, ok := t.syntax().values[at].(*ast.Ident)
	if !ok || strings.HasPrefix(x.Name, "_") || strings.HasPrefix(x.Name, "#") {
		return ""
	}
	return fmt.Sprintf("put quotes around a text: %q; or give it a value without a reference", x.Name)
}

// visible gives the names that may be referred to at a place: of the fields beside it
// and beside what it is in, and of those that it is itself in, where these are wanted.
func (t *translator) visible(at Pos, in bool) []string {
	var names, around []string
	add := func(label ast.Node) {
		if x, ok := label.(*ast.Alias); ok {
			names = append(names, x.Ident.Name)
			label = x.Expr
		}
		if x, ok := label.(*ast.Ident); ok && x != nil {
			names = append(names, x.Name)
		}
	}
	decls := func(decls []ast.Decl) {
		for _, d := range decls {
			switch d := d.(type) {
			case *ast.Field:
				add(d.Label)
			case *ast.LetClause:
				add(d.Ident)
			case *ast.Alias:
				add(d.Ident)
			}
		}
	}
	for _, f := range t.inst.Files {
		if t.project.isSchema(f.Filename) {
			continue
		}
		decls(f.Decls)
		if t.project.in(f.Filename).File != at.File {
			continue
		}
		ast.Walk(f, func(n ast.Node) bool {
			if n != ast.Node(f) && (t.project.pos(n.Pos()).compare(at) > 0 || t.project.pos(n.End()).compare(at) < 0) {
				return false
			}
			switch n := n.(type) {
			case *ast.StructLit:
				decls(n.Elts)
			case *ast.Field:
				if name, _, err := ast.LabelName(n.Label); err == nil {
					around = append(around, name)
				}
			case *ast.Comprehension:
				for _, c := range n.Clauses {
					switch c := c.(type) {
					case *ast.ForClause:
						add(c.Key)
						add(c.Value)
					case *ast.LetClause:
						add(c.Ident)
					}
				}
			}
			return true
		}, nil)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !in && slices.Contains(around, name) })
}
