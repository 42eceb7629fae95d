package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"github.com/shipit-dev/shipit/schema/rule"
)

// ignoreWord begins a comment that silences a rule.
const ignoreWord = "shipit:ignore"

// ignore is such a comment.
type ignore struct {
	pos          Pos
	rule, reason string
}

// ignores are those of a project, by the line that each is about.
type ignores struct {
	mu     sync.Mutex
	byLine map[Pos][]ignore // without column
}

// newIgnores reads the comments of the project's files.
func newIgnores(p Project, inst *build.Instance) *ignores {
	g := &ignores{byLine: map[Pos][]ignore{}}
	g.read(p, inst, map[*build.Instance]bool{})
	return g
}

func (g *ignores) read(p Project, inst *build.Instance, seen map[*build.Instance]bool) {
	if seen[inst] {
		return
	}
	seen[inst] = true
	for _, f := range inst.Files {
		if !p.isSchema(f.Filename) {
			ast.Walk(f, func(n ast.Node) bool {
				for _, group := range ast.Comments(n) {
					g.group(p, group)
				}
				return true
			}, nil)
		}
	}
	for _, i := range inst.Imports {
		g.read(p, i, seen)
	}
}

// group reads a group of comments, which is about its own line when it is at the
// end of one, else about the next.
func (g *ignores) group(p Project, group *ast.CommentGroup) {
	for _, c := range group.List {
		text, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")), ignoreWord)
		if !ok {
			continue
		}
		pos := p.pos(c.Pos())
		rule, reason, _ := strings.Cut(strings.TrimSpace(text), " ")
		line := Pos{Module: pos.Module, File: pos.File, Line: pos.Line}
		if !group.Line {
			line.Line = p.pos(group.List[len(group.List)-1].Pos()).Line + 1
		}
		i := ignore{pos, rule, strings.TrimSpace(reason)}
		if !slices.Contains(g.byLine[line], i) {
			g.byLine[line] = append(g.byLine[line], i)
		}
	}
}

// of gives the comment that is about an error, and whether it silences it: it
// needs a reason, and a rule that may be silenced.
func (g *ignores) of(e *Error) (about ignore, silences bool) {
	for _, i := range g.byLine[Pos{Module: e.Pos.Module, File: e.Pos.File, Line: e.Pos.Line}] {
		if i.rule != e.Rule && i.rule+"/" != e.Rule[:strings.IndexByte(e.Rule, '/')+1] {
			continue
		}
		r, ours := rule.Named(e.Rule)
		return i, i.reason != "" && (r.Silenceable || !ours)
	}
	return ignore{}, false
}

// silence divides errors into those that stay and those that are silenced.
func (g *ignores) silence(errs Errors) (kept Errors, silenced []Ignored) {
	if g == nil || len(g.byLine) == 0 {
		return errs, nil
	}
	for _, e := range errs {
		i, ok := g.of(ruled(e))
		switch {
		case ok:
			silenced = append(silenced, Ignored{e, i.reason})
			continue
		case i.rule != "" && i.reason == "":
			told := *e
			told.Why = sentence(e.Why, "the comment that should silence it says no reason")
			e = &told
		case i.rule != "":
			told := *e
			told.Why = sentence(e.Why, "this rule cannot be silenced")
			e = &told
		}
		kept = append(kept, e)
	}
	return kept, silenced
}

func sentence(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// bad warns of comments that can silence nothing.
func (g *ignores) bad() []*Error {
	var warnings []*Error
	names := make([]string, 0, len(rule.All()))
	for _, r := range rule.All() {
		names = append(names, r.Name)
	}
	for _, list := range g.byLine {
		for _, i := range list {
			e := &Error{Rule: rule.BadIgnore, Pos: i.pos, Hint: "write // " + ignoreWord + " RULE reason"}
			r, ours := rule.Named(i.rule)
			near := nearestName(i.rule, names)
			switch {
			case i.rule == "":
				e.Message = "this comment does not say which rule to silence"
			case i.reason == "":
				e.Message = fmt.Sprintf("this comment does not say why %s is silenced", i.rule)
			case ours && !r.Silenceable:
				e.Message, e.Hint = fmt.Sprintf("the rule %s cannot be silenced", i.rule), ""
			case !ours && near != "" && strings.HasPrefix(near, i.rule[:min(4, len(i.rule))]): // else it is a rule of another room
				e.Message, e.Hint = fmt.Sprintf("there is no rule %s", i.rule), fmt.Sprintf("did you mean %s?", near)
			default:
				continue
			}
			warnings = append(warnings, e)
		}
	}
	slices.SortFunc(warnings, inOrder)
	return warnings
}

// Silence gives the errors that the project does not ignore with a comment
// `// shipit:ignore RULE reason` at their line, and adds the others to Ignored. A
// rule that is not of this package can always be silenced.
func (a *App) Silence(errs Errors) Errors {
	if a.ignores == nil {
		return errs
	}
	a.ignores.mu.Lock()
	defer a.ignores.mu.Unlock()
	kept, silenced := a.ignores.silence(errs)
	a.Ignored = append(a.Ignored, silenced...)
	return kept
}
