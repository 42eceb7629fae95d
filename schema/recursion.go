package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/rule"
)

// recursive is what CUE says of a struct that is inside of itself.
var recursive = regexp.MustCompile(`([^\s:]+): structural cycle`)

// circles tells once of values that are inside of themselves, or refer to each other in
// a circle, and draws it: CUE tells of each that takes part, and of each that uses one.
func (t *translator) circles(errs Errors) Errors {
	var kept Errors
	told := map[string]*Error{}
	for _, e := range errs {
		var steps []string
		if m := recursive.FindStringSubmatch(e.Raw); m != nil {
			steps = t.inside(strings.ReplaceAll(m[1], `"`, ""))
		} else if e.Code == rule.NoValue {
			steps = t.around(e)
		}
		if steps == nil {
			kept = append(kept, e)
			continue
		}
		key := circleKey(steps)
		if known := told[key]; known != nil {
			known.Related = append(known.Related, e.Pos)
			continue
		}
		circle := *e
		circle.Code, circle.Rule, circle.Why, circle.Related = rule.Evaluation, "", "", nil
		circle.Path = steps[0]
		if p, ok := t.loc.written[steps[0]]; ok && p != e.Pos {
			circle.Pos, circle.Related = p, []Pos{e.Pos}
		}
		circle.Message = "these refer to each other in a circle: " + strings.Join(steps, " -> ")
		circle.Hint = "break the circle: give one of them a value without a reference"
		if len(steps) == 2 {
			circle.Hint = cmp.Or(t.ownName(circle.Pos), circle.Hint)
		}
		if recursive.MatchString(e.Raw) {
			circle.Message = head(steps[0]) + " is inside of itself: " + strings.Join(steps, " -> ")
			last, of := steps[len(steps)-2], steps[len(steps)-1]
			last = label(last[strings.LastIndexByte(last, '.')+1:])
			circle.Hint = fmt.Sprintf("let it end somewhere: %s?: %s, or any number of them: %[1]s: [...%[2]s]", last, of)
		}
		told[key] = &circle
		kept = append(kept, &circle)
	}
	for _, e := range told {
		slices.SortFunc(e.Related, Pos.compare)
		e.Related = slices.DeleteFunc(slices.Compact(e.Related), func(p Pos) bool { return p == e.Pos })
	}
	return kept
}

// circleKey is the same for a circle wherever it begins, and through whichever fields
// it goes.
func circleKey(steps []string) string {
	var heads []string
	for _, s := range steps {
		if strings.HasPrefix(s, "#") || strings.HasPrefix(s, "_") {
			s = head(s)
		}
		heads = append(heads, s)
	}
	slices.Sort(heads)
	return strings.Join(slices.Compact(heads), " ")
}

func head(path string) string {
	name, _, _ := strings.Cut(path, ".")
	return name
}

// inside gives how a field at the top comes to be inside of itself, through the field at
// a path: paths of fields, each of which is the first part of the next; nil when that is
// not plain to see.
func (t *translator) inside(path string) []string {
	uses := map[string]map[string]string{} // of fields at the top: those that are in them, and where
	for _, f := range t.inst.Files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.Field); ok && !t.project.isSchema(f.Filename) {
				if name, _, err := ast.LabelName(d.Label); err == nil {
					uses[name] = map[string]string{}
					usesIn(d.Value, name, uses[name])
				}
			}
		}
	}
	first := head(path)
	var find func(from string, seen []string) []string
	find = func(from string, seen []string) []string {
		for _, to := range sortedKeys(uses[from]) {
			if to == first {
				return []string{uses[from][to], first}
			}
			if !slices.Contains(seen, to) && uses[to] != nil {
				if rest := find(to, append(seen, to)); rest != nil {
					return append([]string{uses[from][to]}, rest...)
				}
			}
		}
		return nil
	}
	return find(first, []string{first})
}

// usesIn collects the names that a value has in it, each with the path of the first field
// that does. What need not be there is left out.
func usesIn(x ast.Expr, path string, uses map[string]string) {
	switch x := x.(type) {
	case *ast.Ident:
		if _, known := uses[x.Name]; !known {
			uses[x.Name] = path
		}
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			usesIn(x.X, path, uses)
			usesIn(x.Y, path, uses)
		}
	case *ast.ListLit:
		for _, item := range x.Elts {
			usesIn(item, path, uses)
		}
	case *ast.StructLit:
		for _, d := range x.Elts {
			switch d := d.(type) {
			case *ast.Field:
				if name, _, err := ast.LabelName(d.Label); err == nil && d.Constraint != token.OPTION {
					usesIn(d.Value, path+"."+name, uses)
				}
			case *ast.EmbedDecl:
				usesIn(d.Expr, path, uses)
			}
		}
	}
}

// around gives the paths of fields that are only references to each other, from the
// first of them that an error leads to back to it; nil when they lead elsewhere.
func (t *translator) around(e *Error) []string {
	path, x := e.Path, t.syntax().values[e.Pos]
	var seen []string
	for range maxReferences * 2 {
		name := dottedPath(x)
		if name == "" {
			return nil
		}
		at, found := path, false
		for !found {
			if at == "" {
				return nil
			}
			at = at[:max(0, strings.LastIndexByte(at, '.'))]
			path = strings.TrimPrefix(at+"."+name, ".")
			_, found = t.loc.written[path]
		}
		if i := slices.Index(seen, path); i >= 0 {
			circle := slices.Clone(seen[i:])
			least := slices.Index(circle, slices.Min(circle))
			circle = slices.Concat(circle[least:], circle[:least])
			return append(circle, circle[0])
		}
		seen = append(seen, path)
		x = t.syntax().values[t.loc.written[path]]
	}
	return nil
}

// dottedPath gives the path that a value is only a reference to, or "".
func dottedPath(x ast.Expr) string {
	switch x.(type) {
	case *ast.Ident, *ast.SelectorExpr:
		if path := dotted(x); !strings.Contains(path, "?") {
			return path
		}
	}
	return ""
}
