package schema

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
	"golang.org/x/sync/errgroup"
)

// node is a value that CUE evaluated, as plain data that knows its place.
type node struct {
	name   string
	path   string
	pos    Pos // where it was written, or its nearest ancestor
	kind   cue.Kind
	bad    bool // it has an error of its own: say nothing more about it
	hidden bool // it is not to be shown
	value  cue.Value
	text   string          // of a string, or of a number as Kubernetes writes it
	fields []*node         // of a struct, as written
	items  []*node         // of a list
	meant  map[string]bool // of a struct: fields that unknown ones were probably meant to be
}

// get gives a field of a struct, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// is reports whether n is there, of kind k, and without an error.
func (n *node) is(k cue.Kind) bool { return n != nil && !n.bad && n.kind&k != 0 }

// spoilt reports whether a value has an error of its own, or one inside.
func (n *node) spoilt() bool {
	return n.bad || slices.ContainsFunc(n.fields, (*node).spoilt) || slices.ContainsFunc(n.items, (*node).spoilt)
}

// missing reports whether the struct n lacks a field, even misspelt.
func (n *node) missing(name string) bool {
	return n == nil || n.get(name) == nil && !n.meant[name]
}

func (n *node) str() string {
	if !n.is(cue.StringKind) {
		return ""
	}
	return n.text
}

func (n *node) int64() int64 {
	if !n.is(cue.IntKind) {
		return 0
	}
	i, err := n.value.Int64()
	if err != nil {
		return 0
	}
	return i
}

// bool gives the value of a bool, or fallback when there is none.
func (n *node) bool(fallback bool) bool {
	if !n.is(cue.BoolKind) {
		return fallback
	}
	return n.text == "true"
}

func (n *node) strings() []string {
	if !n.is(cue.ListKind) {
		return nil
	}
	var list []string
	for _, item := range n.items {
		list = append(list, item.str())
	}
	return list
}

// data gives a value as JSON does, as in Object.
func (n *node) data() any {
	switch n.kind {
	case cue.StructKind:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			m[f.name] = f.data()
		}
		return m
	case cue.ListKind:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.data()
		}
		return list
	case cue.IntKind:
		if i, err := n.value.Int64(); err == nil {
			return i
		}
		f, _ := n.value.Float64()
		return f
	case cue.FloatKind, cue.NumberKind:
		f, _ := n.value.Float64()
		return f
	case cue.BoolKind:
		return n.text == "true"
	case cue.NullKind:
		return nil
	default:
		return n.text
	}
}

// treeBuilder turns an evaluated value into a tree of nodes.
type treeBuilder struct {
	loc       *locator
	positions map[string]Pos
	broken    map[string]bool // paths with an error of CUE's
	errs      []error         // of values that are not broken, but have no value
	whole     bool            // nothing is wrong with the value: it can be read side by side

	part    bool    // others read too
	orphans []*node // for adopt, when they no longer do
}

func newTreeBuilder(loc *locator) *treeBuilder {
	return &treeBuilder{loc: loc, positions: map[string]Pos{}, broken: map[string]bool{}}
}

func (b *treeBuilder) tree(v cue.Value, path, name string) *node {
	n := &node{name: name, path: path, value: v}
	if p := b.loc.pos(path, v); p.IsValid() {
		n.pos = p
		b.positions[path] = p
	} else {
		n.pos = nearest(b.positions, path)
	}
	if b.broken[path] {
		n.bad = true
		return n
	}
	v, _ = v.Default()
	n.value = v
	n.kind = v.IncompleteKind()
	if n.kind == cue.BottomKind {
		// A struct whose fields have errors is one itself, with fields.
		fields, err := v.Fields()
		if err != nil || !fields.Next() || fields.Selector().LabelType() != cue.StringLabel {
			return b.fail(n, cmp.Or(v.Err(), err))
		}
		n.kind = cue.StructKind
	}
	switch n.kind {
	case cue.StructKind:
		fields, err := v.Fields()
		if err != nil {
			return b.fail(n, err)
		}
		if path == "services" && b.whole {
			b.services(n, fields)
		} else {
			for fields.Next() {
				name := fields.Selector().Unquoted()
				n.fields = append(n.fields, b.field(fields.Value(), language.Join(path, name), name))
			}
		}
		b.adopt(n)
	case cue.ListKind:
		list, err := v.List()
		if err != nil {
			return b.fail(n, err)
		}
		for i := 0; list.Next(); i++ {
			index := strconv.Itoa(i)
			n.items = append(n.items, b.tree(list.Value(), language.Join(path, index), index))
		}
	default:
		text, err := scalar(v, n.kind)
		if err != nil {
			return b.fail(n, err)
		}
		n.text = text
	}
	return n
}

// services builds the trees of services, as many at a time as there are processors.
// They only read: CUE evaluates for one at a time.
func (b *treeBuilder) services(n *node, fields *cue.Iterator) {
	type service struct {
		name  string
		value cue.Value
	}
	var all []service
	for fields.Next() {
		all = append(all, service{fields.Selector().Unquoted(), fields.Value()})
	}
	n.fields = make([]*node, len(all))
	workers := min(runtime.GOMAXPROCS(0), len(all))
	parts := make([]*treeBuilder, workers)
	var g errgroup.Group
	for w := range workers {
		part := newTreeBuilder(b.loc)
		part.part = true
		for _, path := range []string{"", n.path} {
			if p, ok := b.positions[path]; ok {
				part.positions[path] = p
			}
		}
		parts[w] = part
		g.Go(func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("%v", r)
				}
			}()
			for i := w; i < len(all); i += workers {
				n.fields[i] = part.field(all[i].value, language.Join(n.path, all[i].name), all[i].name)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		panic(err) // here, where it is expected of CUE
	}
	for _, part := range parts {
		maps.Copy(b.positions, part.positions)
		b.errs = append(b.errs, part.errs...)
		for _, n := range part.orphans {
			b.adopt(n)
		}
	}
}

// field is tree for a field of a struct. The services of environments are only
// parts of services, and the rules of policies are for other values: of those
// nothing but that they are there is told.
func (b *treeBuilder) field(v cue.Value, path, name string) *node {
	if !strings.HasPrefix(path, "environments.") && !strings.HasPrefix(path, "policy.") {
		return b.tree(v, path, name)
	}
	if partial(path) && v.IncompleteKind() == cue.StructKind {
		n := &node{name: name, path: path, value: v, kind: cue.StructKind, pos: nearest(b.positions, path)}
		if p := b.loc.pos(path, v); p.IsValid() {
			n.pos, b.positions[path] = p, p
		}
		return n
	}
	return b.tree(v, path, name)
}

// partial reports whether a path is that of a value which need not be whole: a
// service of an environment, or the rule of a policy.
func partial(path string) bool {
	parts := strings.Split(path, ".")
	if len(parts) == 4 && parts[0] == "environments" && parts[2] == "services" {
		return true
	}
	if parts[0] == "environments" && len(parts) > 2 {
		parts = parts[2:]
	}
	return len(parts) == 3 && parts[0] == "policy" && parts[2] == "rule"
}

// adopt gives a struct that is not written where it is used the place where its
// parts are, or, when a comprehension made it, that of its first field.
func (b *treeBuilder) adopt(n *node) {
	if _, ok := b.positions[n.path]; ok {
		return
	}
	if b.part {
		b.orphans = append(b.orphans, n)
		return
	}
	_, parts := n.value.Expr() // evaluates
	for _, part := range parts {
		if p := b.loc.place(part.Pos()); p.IsValid() {
			n.pos, b.positions[n.path] = p, p
			return
		}
	}
	for _, f := range n.fields {
		if p, ok := b.positions[f.path]; ok {
			n.pos, b.positions[n.path] = p, p
			return
		}
	}
}

func (b *treeBuilder) fail(n *node, err error) *node {
	n.bad = true
	b.errs = append(b.errs, pathError{n.path, err})
	return n
}

// pathError is an error of CUE's about the value at a path.
type pathError struct {
	path string
	err  error
}

func (e pathError) Error() string { return e.err.Error() }
func (e pathError) Unwrap() error { return e.err }

// scalar gives the text of a concrete value.
func scalar(v cue.Value, k cue.Kind) (string, error) {
	switch k {
	case cue.StringKind:
		return v.String()
	case cue.BytesKind:
		b, err := v.Bytes()
		return string(b), err
	case cue.BoolKind:
		b, err := v.Bool()
		return strconv.FormatBool(b), err
	case cue.NullKind:
		return "null", v.Null()
	case cue.IntKind:
		b, err := v.AppendInt(nil, 10)
		return string(b), err
	default:
		b, err := v.MarshalJSON()
		// Kubernetes writes exponents in upper or lower case, without a plus.
		return strings.ReplaceAll(string(b), "+", ""), err
	}
}
