package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// checker compares a tree with the schema, and says what does not fit in the
// schema's own words. CUE finds the same, but stops at the first of several
// errors in a struct, says it in its own terms, and lets a package that embeds
// v1.#App add any field.
type checker struct {
	shapes *language.Shapes
	loc    *locator
	ctx    *cue.Context
	v1     cue.Value // the schema, as far as scalars need it: structs are compared by their shapes
	wanted map[ast.Expr]cue.Value
	keys   map[patternKey]bool
	values map[valueKey]bool
	errs   Errors
}

type valueKey struct {
	expr ast.Expr
	kind cue.Kind
	text string
}

type patternKey struct {
	pattern ast.Expr
	name    string
}

// newChecker makes one, with a context of its own.
func newChecker() (*checker, error) {
	s, err := language.Read()
	if err != nil {
		return nil, err
	}
	inst := build.NewContext().NewInstance(importPath, nil)
	for name, data := range scalarSchema() {
		if err := inst.AddFile(name, data); err != nil { //nolint:staticcheck // there is no other way to give it source
			return nil, err
		}
	}
	if err := inst.Complete(); err != nil {
		return nil, err
	}
	ctx := cuecontext.New()
	v1 := ctx.BuildInstance(inst)
	return &checker{shapes: s, ctx: ctx, v1: v1, wanted: map[ast.Expr]cue.Value{}, keys: map[patternKey]bool{}, values: map[valueKey]bool{}}, v1.Err()
}

func (c *checker) app(n *node) { c.check(n, c.shapes.Top) }

// check compares a value with what its field may hold.
func (c *checker) check(n *node, f *language.Field) {
	switch {
	case n.bad || c.serviceItself(n, f):
	case n.kind == cue.StructKind && f.Shape.Structs && (!f.Shape.Scalar || !c.stranger(n, f.Shape)):
		c.fields(n, f)
	case n.kind == cue.ListKind && f.Shape.Elem != nil:
		c.list(n, f)
	case n.kind == cue.StructKind || !f.Shape.Scalar || !c.fits(n, f.Shape):
		c.misfit(n, f)
	}
}

// fields checks the fields of a struct, and that the required ones are there.
func (c *checker) fields(n *node, f *language.Field) {
	if c.object(n, f.Shape) {
		return
	}
	nameless := append(c.nameless(n, f.Shape), c.pasted(n)...)
	for _, value := range n.fields {
		if slices.Contains(nameless, value) {
			continue
		}
		if known := c.known(f.Shape, value.name); known != nil {
			c.check(value, known)
			continue
		}
		if f.Shape.Open {
			continue
		}
		value.bad = true
		if p := c.loc.label(value.path, value.value); p.IsValid() {
			value.pos = p
		}
		if len(f.Shape.Fields) == 0 && len(f.Shape.Patterns) > 0 {
			key := f.Shape.Patterns[0].Key
			c.wrong(value, rule.WrongName, fmt.Sprintf("%q cannot be a name in %s: it must be %s", value.name, n.path, key),
				otherLetters(value.name), cmp.Or(flatSet(n, value), rename(value.name, key)))
			continue
		}
		c.unknown(n, value, f.Shape)
	}
	for _, required := range f.Shape.Fields {
		if required.Required && n.missing(required.Name) {
			where := ""
			if n.path != "" {
				where = " in " + n.path
			}
			c.wrong(n, rule.MissingField, fmt.Sprintf("missing field %q%s", required.Name, where),
				required.Summary(), "write "+example(required))
		}
	}
}

// known gives what the schema says about a field, or nil.
func (c *checker) known(s *language.Shape, name string) *language.Field {
	if f := s.Field(name); f != nil {
		return f
	}
	for _, p := range s.Patterns {
		key := patternKey{p.Pattern, name}
		ok, done := c.keys[key]
		if !done {
			ok = c.want(p.Pattern).Unify(c.ctx.Encode(name)).Err() == nil
			c.keys[key] = ok
		}
		if ok {
			return p
		}
	}
	return nil
}

func (c *checker) list(n *node, f *language.Field) {
	for i, item := range n.items {
		if !item.bad && !c.fits(item, f.Shape.Elem) {
			n.bad = true
			c.wrong(item, rule.WrongValue, fmt.Sprintf("%s must be %s, but item %d is %s", n.path, f.Must, i+1, describe(item, 0)), "", c.itemHint(item, f.Shape.Elem))
		}
	}
	if !n.bad && !c.fits(n, f.Shape) {
		n.bad = true
		c.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be %s, not %s", n.path, f.Must, describe(n, 0)), "", "")
	}
}

// itemHint says what to write in place of an item that is not what it must be.
func (c *checker) itemHint(item *node, s *language.Shape) string {
	text := asText(item)
	if item.kind == cue.BytesKind && c.fits(text, s) {
		return doubleQuotes(item)
	}
	return cmp.Or(quoteHint(text, s, c), c.respelled(text, s))
}

// misfit says that a value is not what its field must be.
func (c *checker) misfit(n *node, f *language.Field) {
	n.bad = true
	must, hint, why := cmp.Or(f.Must, "a struct"), "", ""
	if text := asText(n); c.fits(text, f.Shape) && n.kind == cue.BytesKind {
		hint = doubleQuotes(n)
	} else {
		hint = c.misfitHint(text, f)
	}
	if n.kind == cue.IntKind && len(n.text) > 9 {
		why = "it must fit into 32 bits"
	}
	is := describe(n, c.kinds(f.Shape))
	if isSecret(n.path) {
		is, why, hint = describe(&node{kind: n.kind, items: n.items, hidden: true}, 0), "", secretHint(n, f)
	}
	c.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be %s, not %s", n.path, must, is), why, hint)
}

// misfitHint says what to write in place of a value that is not what it must be.
func (c *checker) misfitHint(n *node, f *language.Field) string {
	hint := cmp.Or(c.textHint(n, f), unfilled(n), namesHint(n, f), foreignValue(n, f), insteadHint(n, f))
	if f.Must == "" {
		hint = cmp.Or(hint, c.fieldHint(n, f), structHint(f, n.path))
	}
	return cmp.Or(hint, quoteHint(n, f.Shape, c), valueHint(n, f), c.oneHint(n, f), c.respelled(n, f.Shape))
}

// asText gives a value with the texts that bytes in it are meant to be: those in single
// quotes are bytes to CUE.
func asText(n *node) *node {
	text := *n
	if n.kind == cue.BytesKind && utf8.ValidString(n.text) {
		text.kind = cue.StringKind
	}
	text.items = make([]*node, len(n.items))
	for i, item := range n.items {
		text.items[i] = asText(item)
	}
	return &text
}

func doubleQuotes(n *node) string {
	return fmt.Sprintf("a text stands in double quotes: write %q", n.text)
}

// want gives the value of an expression of the schema.
func (c *checker) want(x ast.Expr) cue.Value {
	v, known := c.wanted[x]
	if !known {
		v = c.ctx.BuildExpr(x, cue.Scope(c.v1))
		c.wanted[x] = v
	}
	return v
}

// fits asks CUE whether a value is one that the schema takes.
func (c *checker) fits(n *node, s *language.Shape) bool {
	key := valueKey{s.Expr, n.kind, n.text}
	ok, done := c.values[key]
	if done {
		return ok
	}
	data := n.data()
	if n.kind == cue.BytesKind {
		data = []byte(n.text)
	}
	ok = c.want(s.Expr).Unify(c.ctx.Encode(data)).Validate(cue.Concrete(true)) == nil
	if n.kind&(cue.StructKind|cue.ListKind) == 0 {
		c.values[key] = ok
	}
	return ok
}

// kinds gives the kinds of scalars that the schema takes.
func (c *checker) kinds(s *language.Shape) cue.Kind {
	if s.Expr == nil {
		return 0
	}
	return c.want(s.Expr).IncompleteKind()
}

func (c *checker) wrong(n *node, code Code, message, why, hint string) {
	c.errs = append(c.errs, &Error{Code: code, Pos: n.pos, Path: n.path, Message: message, Why: why, Hint: hint})
}

// describe says what a value is; its kind too, unless that is one of wanted.
func describe(n *node, wanted cue.Kind) string {
	text := n.text
	if n.hidden {
		text = "…"
	} else if n.kind&(cue.StringKind|cue.BytesKind) != 0 {
		if r := []rune(text); len(r) > 60 {
			text = string(r[:60]) + "…"
		}
		text = strconv.Quote(text)
	}
	switch {
	case n.kind == cue.StructKind:
		return "a struct"
	case n.kind == cue.ListKind && len(n.items) == 0:
		return "an empty list"
	case n.kind == cue.ListKind:
		return "a list"
	case n.kind == cue.NullKind:
		return "null"
	case n.kind&wanted != 0:
		return text
	case n.kind == cue.StringKind:
		return "a string (" + text + ")"
	case n.kind == cue.BytesKind:
		return "bytes (" + text + ")"
	case n.kind == cue.BoolKind:
		return "a boolean (" + text + ")"
	default:
		return "a number (" + text + ")"
	}
}

// quoteHint helps when only the quotes around a value are wrong.
func quoteHint(n *node, s *language.Shape, c *checker) string {
	if s.Expr == nil {
		return ""
	}
	var other string
	switch n.kind {
	case cue.StringKind:
		if _, err := strconv.ParseFloat(n.text, 64); err != nil && n.text != "true" && n.text != "false" {
			return ""
		}
		other = n.text
	case cue.IntKind, cue.FloatKind, cue.NumberKind, cue.BoolKind:
		other = strconv.Quote(n.text)
	default:
		return ""
	}
	v := c.ctx.CompileString(other)
	if v.Err() != nil || c.want(s.Expr).Unify(v).Validate(cue.Concrete(true)) != nil {
		return ""
	}
	return "write " + other
}
