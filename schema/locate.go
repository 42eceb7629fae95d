package schema

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/language"
)

// locator finds where values were written. Most are found in the syntax: it
// names the fields directly, where an evaluated value knows only of the
// expressions that made it.
type locator struct {
	project Project
	written map[string]Pos   // values
	labels  map[string]Pos   // the names of fields
	all     map[string][]Pos // every value that is written for a path
	maybe   map[string]Pos   // the names of fields with ?
	names   map[string]Pos   // of files: a Pos in each; invalid ones are the schema's

	following int // references, on the way to what they name

	evaluating sync.Mutex // CUE evaluates for one at a time

	environment environment
	ofChosen    map[Pos]bool    // values that the environment writes
	outside     map[string]bool // paths that are written outside of it too
}

// knowFiles makes places in the files of an instance, and of all that it imports, quick
// to give.
func (l *locator) knowFiles(inst *build.Instance) {
	for _, f := range inst.Files {
		if _, known := l.names[f.Filename]; known {
			return
		}
		at := Pos{}
		if !l.project.isSchema(f.Filename) {
			at = l.project.in(f.Filename)
			at.Line = 1 // it is one
		}
		l.names[f.Filename] = at
	}
	for _, i := range inst.Imports {
		l.knowFiles(i)
	}
}

// newLocator finds the places in an instance. What the chosen environment says of the
// App is the App's too: its values before those that it has from elsewhere, its
// structs after.
func newLocator(p Project, inst *build.Instance, env environment) *locator {
	l := &locator{
		project: p, written: map[string]Pos{}, labels: map[string]Pos{}, all: map[string][]Pos{}, maybe: map[string]Pos{}, names: map[string]Pos{},
		environment: env, ofChosen: map[Pos]bool{}, outside: map[string]bool{},
	}
	l.knowFiles(inst)
	for _, f := range inst.Files {
		if !p.isSchema(f.Filename) {
			l.decls("", f.Decls)
		}
	}
	if env.name == "" {
		return l
	}
	for path := range l.all {
		l.outside[path] = true
	}
	for path, places := range maps.Clone(l.all) {
		at, ok := strings.CutPrefix(path, env.path()+".")
		if !ok || !env.filled(path) {
			continue
		}
		for _, p := range places {
			l.ofChosen[p] = true
		}
		l.all[at] = append(l.all[at], places...)
		if _, there := l.written[at]; !there || l.written[path] != l.labels[path] {
			l.written[at] = l.written[path]
		}
		if _, there := l.labels[at]; !there {
			l.labels[at] = l.labels[path]
		}
	}
	return l
}

// onlyInEnvironment reports whether a path of the App is written in the chosen
// environment alone.
func (l *locator) onlyInEnvironment(path string) bool {
	_, there := l.written[path]
	return there && l.environment.name != "" && !l.outside[path]
}

// decls records the fields of a struct at path. What comprehensions and
// references make is not here; pos finds those in the values.
func (l *locator) decls(path string, decls []ast.Decl) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			name, _, err := ast.LabelName(d.Label)
			if err != nil || name == "" {
				continue
			}
			at := language.Join(path, name)
			l.record(at, d)
			if d.Constraint == token.OPTION {
				l.maybe[at] = l.place(d.Label.Pos())
			}
			l.expr(at, d.Value)
		case *ast.EmbedDecl:
			if _, ok := l.written[""]; !ok && path == "" {
				l.written[""] = l.place(d.Pos()) // v1.#App
			}
			l.expr(path, d.Expr)
		}
	}
}

func (l *locator) expr(path string, x ast.Expr) {
	switch x := x.(type) {
	case *ast.StructLit:
		l.decls(path, x.Elts)
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			l.expr(path, x.X)
			l.expr(path, x.Y)
		}
	case *ast.ParenExpr:
		l.expr(path, x.X)
	case *ast.Ident:
		// What an environment names is written for it, as what it says itself.
		if named := referent(x); named != nil && l.following < maxReferences && strings.HasPrefix(path, "environments.") {
			l.following++
			l.expr(path, named)
			l.following--
		}
	}
}

// maxReferences bounds references that are followed through others.
const maxReferences = 10

// referent gives the value that a name refers to in its own file, or nil.
func referent(x *ast.Ident) ast.Expr {
	switch n := x.Node.(type) {
	case *ast.Field:
		return n.Value
	case *ast.LetClause:
		return n.Expr
	case ast.Expr:
		return n
	}
	return nil
}

// record keeps the first place of a path: where a scalar or list is, and the
// label of a struct.
func (l *locator) record(path string, f *ast.Field) {
	l.all[path] = append(l.all[path], l.place(f.Value.Pos()))
	if _, ok := l.written[path]; ok {
		return
	}
	l.labels[path] = l.place(f.Label.Pos())
	pos := f.Value.Pos()
	if _, ok := f.Value.(*ast.StructLit); ok || !pos.IsValid() {
		pos = f.Label.Pos()
	}
	if p := l.place(pos); p.IsValid() {
		l.written[path] = p
	}
}

// place is Project.pos, with a memory for files.
func (l *locator) place(t token.Pos) Pos {
	file := t.Filename()
	in, ok := l.names[file]
	if !ok {
		in = l.project.pos(t)
	}
	if !in.IsValid() {
		return Pos{}
	}
	at := t.Position()
	in.Line, in.Column = at.Line, at.Column
	return in
}

// pos gives the place of the value v at path, or an invalid Pos when only the
// schema or nobody wrote it.
func (l *locator) pos(path string, v cue.Value) Pos {
	if p, ok := l.written[path]; ok {
		return p
	}
	p := l.source(v)
	if !p.IsValid() && l.environment.name != "" {
		l.evaluating.Lock()
		defer l.evaluating.Unlock()
		p = l.source(cue.Dereference(v)) // the environment's, filled in
	}
	return p
}

// source gives where CUE knows a value to be written.
func (l *locator) source(v cue.Value) Pos {
	if f, ok := v.Source().(*ast.Field); ok {
		if _, ok := f.Value.(*ast.StructLit); !ok {
			return l.place(f.Value.Pos())
		}
	}
	return l.place(v.Pos())
}

// label gives the place of the name of the field at path, or an invalid Pos.
func (l *locator) label(path string, v cue.Value) Pos {
	if p, ok := l.labels[path]; ok {
		return p
	}
	if f, ok := v.Source().(*ast.Field); ok {
		return l.place(f.Label.Pos())
	}
	return Pos{}
}

// nearest gives the place of path or of its nearest written ancestor.
func (l *locator) nearest(path string) Pos {
	return nearest(l.written, path)
}

// writtenAt gives the path of the value at a place, or "".
func (l *locator) writtenAt(at Pos) string {
	found := ""
	for path, p := range l.written {
		if p == at && (found == "" || path < found) {
			found = path
		}
	}
	return found
}

// namesIn gives the names of the fields that are written in the struct at path.
func (l *locator) namesIn(path string) []string {
	var names []string
	for at := range l.labels {
		name, below := at, true
		if path != "" {
			name, below = strings.CutPrefix(at, path+".")
		}
		if below && name != "" && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func nearest(positions map[string]Pos, path string) Pos {
	for {
		if p, ok := positions[path]; ok {
			return p
		}
		if path == "" {
			return Pos{}
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
}
