package schema_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// mutator changes files of CUE as a tree, so that they stay CUE: what fuzzing bytes
// mostly makes is no CUE, which only tries the parser.
type mutator struct {
	rand    *rand.Rand
	fields  []*ast.Field
	structs []*[]ast.Decl // the declarations of structs, and of the file
	names   []string      // of fields
}

// mutate gives a file with a few changes, or "" for a text that is no CUE. The same
// seed gives the same changes.
func mutate(text string, seed uint64) string {
	f, err := parser.ParseFile("shop.cue", text, parser.ParseComments)
	if err != nil {
		return ""
	}
	m := &mutator{rand: rand.New(rand.NewPCG(seed, uint64(len(text))))}
	for range 1 + m.rand.IntN(3) {
		m.read(f)
		if len(m.fields) > 0 {
			m.change()
		}
	}
	out, err := format.Node(f)
	if err != nil {
		return "" // a tree that cannot be written, such as one with two packages
	}
	return string(out)
}

// read collects what there is to change.
func (m *mutator) read(f *ast.File) {
	m.fields, m.structs, m.names = nil, []*[]ast.Decl{&f.Decls}, nil
	ast.Walk(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			m.fields = append(m.fields, n)
			if name, _, err := ast.LabelName(n.Label); err == nil && !slices.Contains(m.names, name) {
				m.names = append(m.names, name)
			}
		case *ast.StructLit:
			m.structs = append(m.structs, &n.Elts)
		case *ast.Attribute, *ast.CommentGroup:
			return false
		}
		return true
	}, nil)
	m.names = append(m.names, "services", "web", "name", "_x", "#X")
}

func pick[T any](m *mutator, list []T) T { return list[m.rand.IntN(len(list))] }

// change makes one change.
func (m *mutator) change() {
	f, decls := pick(m, m.fields), pick(m, m.structs)
	switch m.rand.IntN(12) {
	case 0, 1, 2:
		m.replace(f, pick(m, literals))
	case 3, 4, 5:
		m.replace(f, pick(m, wrappers))
	case 6:
		if i := m.fieldIn(*decls); i >= 0 {
			*decls = slices.Delete(*decls, i, i+1)
		}
	case 7:
		m.duplicate(decls)
	case 8:
		m.rename(f)
	case 9:
		other := pick(m, m.fields)
		f.Value, other.Value = copied(other.Value), copied(f.Value)
	case 10:
		m.declare(decls)
	default:
		m.turn(f)
	}
}

// fieldIn gives the place of any field among declarations, or -1.
func (m *mutator) fieldIn(decls []ast.Decl) int {
	var at []int
	for i, d := range decls {
		if _, ok := d.(*ast.Field); ok {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return -1
	}
	return pick(m, at)
}

// duplicate writes a field again, in its own struct or in another.
func (m *mutator) duplicate(decls *[]ast.Decl) {
	i := m.fieldIn(*decls)
	if i < 0 {
		return
	}
	of := (*decls)[i].(*ast.Field)
	again := &ast.Field{Label: of.Label, Value: copied(of.Value), Constraint: of.Constraint}
	if m.rand.IntN(2) == 0 {
		m.replace(again, pick(m, slices.Concat(literals, wrappers)))
	}
	to := decls
	if m.rand.IntN(3) == 0 {
		to = pick(m, m.structs)
	}
	*to = append(*to, again)
}

// rename gives a field another name, or makes it another kind of field.
func (m *mutator) rename(f *ast.Field) {
	name, _, err := ast.LabelName(f.Label)
	if err != nil || name == "" {
		return
	}
	switch m.rand.IntN(9) {
	case 0:
		f.Label = ast.NewString(name[1:])
	case 1:
		f.Label = ast.NewString(pick(m, m.names))
	case 2:
		f.Label = ast.NewIdent("_" + strings.Trim(name, "_#"))
	case 3:
		f.Label = ast.NewIdent("#" + strings.Trim(name, "_#"))
	case 4:
		f.Constraint = token.OPTION
	case 5:
		f.Constraint = token.NOT
	case 6:
		f.Label = ast.NewString(pick(m, []string{"", "a.b", "a b", "Ünï", "0", "-", "environment", strings.Repeat("a", 300), "$(X)", "__proto__", "metadata", "spec"}))
	case 7:
		f.Label = parsed(m.fill(pick(m, []string{`"x-\(1)"`, `"\(NAME)"`, `"\(nowhere)"`, "(NAME)", "(3)"}), name) + ": 1").Label
	default:
		f.Label = parsed(pick(m, []string{"[string]", "[_]", `[=~"^w"]`, `[!="web"]`, "[int]", "[N=string]"}) + ": 1").Label
	}
}

// declare puts something that is no field into a struct.
func (m *mutator) declare(decls *[]ast.Decl) {
	text := m.fill(pick(m, []string{
		"...", "...string", "{}", `"text"`, "3", "_|_", "null", "[1, 2]", "string", "NAME", "SELF: SELF", "_x: _", "@tag(x)", "@if(x)",
		"let L = NAME", "let L = L", "#X: {a: int}", "#X: #X", "_y: _y + 1", "#X: {n: #X}", "_deep: #X", `for k, v in NAME {(k): v}`, "for x in [1, 2] {\"s\\(x)\": x}",
		`if NAME == "x" {image: "y"}`, "if NAME {}", "if NAME > 3 {replicas: 2}", "if services.web.x != _|_ {name: \"y\"}", "for x in services {x}", "_z: [for s in services {s.image}]",
		"services: NAME: {}", "services: [string]: NAME: 3", "services: x: services.web", "services: web: services.x", "services: x: services.x & {a: 1}",
		"environments: prod: services: web: NAME: 1", "environments: [string]: NAME: \"x\"", "environments: prod: environments.dev", "environments: prod: services: services",
		"(NAME): 1", `"\(NAME)": 1`, "NAME: NAME", "v1.#Service", "v1.#App", "v1.#Nothing", "X=NAME: X", "error(\"x\")", "NAME?: NAME", "NAME!: string",
	}), pick(m, m.names))
	if f, err := parser.ParseFile("", text); err == nil {
		for _, d := range f.Decls {
			ast.SetRelPos(d, token.Newline)
		}
		*decls = append(*decls, f.Decls...)
	}
}

// turn makes a list of a struct, a struct of a list, or puts a field into a
// comprehension's body.
func (m *mutator) turn(f *ast.Field) {
	switch x := f.Value.(type) {
	case *ast.StructLit:
		list := &ast.ListLit{}
		for _, d := range x.Elts {
			if d, ok := d.(*ast.Field); ok {
				list.Elts = append(list.Elts, d.Value)
			}
		}
		f.Value = list
	case *ast.ListLit:
		s := &ast.StructLit{}
		for i, item := range x.Elts {
			if item, ok := item.(*ast.BasicLit); ok {
				s.Elts = append(s.Elts, &ast.Field{Label: ast.NewString(fmt.Sprint("a", i)), Value: item})
			}
		}
		f.Value = s
	default:
		m.replace(f, pick(m, wrappers))
	}
}

// literals are values of every kind, and none.
var literals = []string{
	`"text"`, `""`, "0", "-1", "3", "1.5", "1e400", "-1e400", "1e-400", "99999999999999999999999", "0x7fffffffffffffff", "0o777", "5Gi", "true", "null", "[]", "{}", "[1, \"a\", {}]",
	"{a: {b: {c: 1}}}", "string", "int", "_", "_|_", "number", "bool", "bytes", "float", "uint8", "[...]", "[...string]", "{...}", "{[string]: int}", "'bytes'", `'\x00\xff'`,
	`"\u0000"`, "\"\"\"\n\ta\n\tb\n\t\"\"\"", `#"raw \( "#`, "<5", ">=1 & <=3", `=~"^a"`, `!~"["`, `=~"["`, `!=""`, "1 | 2", "*1 | 2", "*1 | *2 | 3", `*"a" | string`, `{a: 1} | {b: 2}`, `*{a: 1} | {b: 2}`, "int | string",
	`"\(services.web.image)"`, `"\(nowhere)"`, `"\([])"`, `"\({})"`, `"\(int)"`, `"\(null)"`, `"\(1.5) \(true) \('x')"`,
	"NAME", "SELF", "services", "services.web", "services.web.image", "services.nothing", "services[\"web\"]", "services[0]", "services.web.replicas", "environment", "environments", "nowhere", "v1", "v1.#Service", "v1.#Nothing",
	"1 + \"x\"", `"x" + 1`, "[] + {}", "1 / 0", "1.0 / 3", "div(1, 0)", "mod(5, 0)", "-\"x\"", "!3", "!true", "+[]", "1 & 2", "\"a\" & \"b\"", "1 & \"a\"", "{} & []", "{a: 1} & {a: 2}", "null & {}", "\"a\" * 3", "3 * \"a\"", "[1] * 2", "1 < \"a\"", `"a" == 1`, "{} == {}", "[] > []",
	"len(services)", "len(3)", "len()", "close({})", "and([])", "or([])", "and([1, 2])", "or(3)", "div(1)", "nowhere(1)", "\"x\"()", "[1][5]", "[1][-1]", `[1]["a"]`, "{}.a", "\"a\".b", "3.a", "{a: 1}.a", "[1, 2][0]", `{a: 1}["a"]`,
	"[for x in [1, 2] {x}]", "[for x in services {x.image}]", "[for x in 3 {x}]", "[for k, v in services {k}]", "[if true {1}]", "[if \"a\" {1}]", "[for x in [1] if x > 0 let y = x {y}]",
	"{for k, v in services {(k): v.image}}", "{if 1 == 1 {a: 1}}", "{let A = 1, b: A}", "error(\"no\")", "{_h: 1, #D: 2}", "{a?: 1}", "{a!: int}", "{[=~\"^a\"]: int, a: \"x\"}",
	"{a: b, b: a}", "{a: b + 1, b: a - 1}", "{a: {b: a}}", "{n: NAME}", "[NAME]", "{\"\\(NAME)\": 1}", "NAME.a.b.c", "NAME[0]", "NAME & {a: 1}", "NAME + 1", "NAME | *3", `"\(NAME)-x"`, "{NAME, a: 1}", "[...NAME]",
}

// wrappers make another value of one, X.
var wrappers = []string{
	"X & X", "X | X", "*X | string", "X & 1", "X & \"a\"", "X & {a: 1}", "X & {...}", "[X]", "[X, X]", "{a: X}", "{X}", "{X, b: 1}", "-X", "!X", "X + X", "X + 1", "X + \"a\"", "X * 2", "X / 2", "1 - X", "X == X", "X && true", "X < 3",
	"len(X)", "close(X)", "and([X])", "or([X])", "or([X, 1])", "\"\\(X)\"", "X.a", "X[0]", `X["a"]`, "(X)", "{if true {X}}", "{if false {X}}", "{if X != _|_ {a: X}}", "{for k, v in X {(k): v}}", "[for v in X {v}]", "{for i in [1, 2] {\"a\\(i)\": X}}", "{let L = X, L}",
	"X & SELF", "SELF & X", "SELF | X", "{a: X, b: a}", "{#D: X, #D}", "{_h: X, _h}", "X & NAME", "NAME & X", "{[string]: X}", "{a?: X}", "[...X]", "{X & {a: 1}}", "X & (1 | 2)", "*X | *3", "X & _|_", "X | _|_", "_ & X", "X & string", "X & int", "X & null", "null | X", "!=X", "<X", "=~X",
	"{_a: X, b: _a & _a}", "v1.#Service & X", "close({a: 1}) & X", "X & {[string]: 3}", "X & {[_]: _|_}", "X @tag(a)", "div(X, 0)", "X()", "{\"x\": X}.x", "[X][0]", "{(X): 1}", "{\"\\(X)\": 1}",
}

// parsed gives the first field of a text, or nil for one that is no CUE.
func parsed(text string) *ast.Field {
	f, err := parser.ParseFile("", text)
	if err != nil || len(f.Decls) == 0 {
		return nil
	}
	field, _ := f.Decls[0].(*ast.Field)
	return field
}

// copied gives a value that shares nothing with x: else a tree could be inside of itself.
func copied(x ast.Expr) ast.Expr {
	if text, err := format.Node(x); err == nil {
		if f := parsed("x: " + string(text)); f != nil {
			return f.Value
		}
	}
	return ast.NewNull()
}

// fill puts names into a text.
func (m *mutator) fill(text, self string) string {
	quoted := func(name string) string {
		if ast.IsValidIdent(name) {
			return name
		}
		return "services"
	}
	return strings.NewReplacer("NAME", quoted(pick(m, m.names)), "SELF", quoted(self)).Replace(text)
}

// replace gives a field a value by a text, in which X is the one that it had.
func (m *mutator) replace(f *ast.Field, text string) {
	name, _, _ := ast.LabelName(f.Label)
	text = m.fill(text, name)
	if old, err := format.Node(f.Value); err == nil && !strings.Contains(text, `\(X`) {
		text = strings.ReplaceAll(text, "X", "("+string(old)+")")
	}
	if made := parsed("x: " + text); made != nil {
		f.Value, f.Attrs = made.Value, slices.Concat(f.Attrs, made.Attrs)
	}
}
