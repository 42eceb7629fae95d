package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"github.com/shipit-dev/shipit/schema/language"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

// CUE evaluates an App without what the schema says, and the checker compares what
// comes of it. So the two must be of one opinion about each field and any value: what
// one takes the other takes.
func TestCheckerAgrees(t *testing.T) {
	t.Parallel()
	c := must(newChecker())
	c.loc = newLocator(Project{}, &build.Instance{}, environment{})
	inst := build.NewContext().NewInstance(importPath, nil)
	for name, data := range v1.Files() {
		if err := inst.AddFile(name, data); err != nil { //nolint:staticcheck // there is no other way to give it source
			t.Fatal(err)
		}
	}
	whole := c.ctx.BuildInstance(inst)
	if err := whole.Err(); err != nil {
		t.Fatal(err)
	}
	values := []string{
		`""`, `"a"`, `"A b"`, `"1"`, `"80%"`, `"101%"`, `"/"`, `"/a"`, `"/a/b c"`, `"a/b"`, `"a:b"`, `"500m"`, `"64Mi"`, `"true"`, `"-1"`, `"example.com"`, `"*.example.com"`, `"nginx:1.29"`, `"10.0.0.0/8"`, `"2s"`,
		`"RollingUpdate"`, `"TCP"`, `"HTTP"`, `"None"`, `"Always"`, `"ReadWriteOnce"`, `"NoSchedule"`, `"localhost/a"`,
		`'a'`, `0`, `1`, `-1`, `80`, `101`, `308`, `65535`, `65536`, `2147483647`, `2147483648`, `99999999999999999999`, `1.5`, `-0.5`, `1e3`, `true`, `false`, `null`,
		`[]`, `["a"]`, `["a", "a"]`, `[1]`, `["GET"]`, `["a", 1]`, `[["a"]]`, `[{}]`, `[{a: 1}]`, `[null]`,
		`{}`, `{a: "a"}`, `{a: 1}`, `{a: {}}`, `{a: null}`, `{A: "a"}`, `{"a b": "a"}`, `{"a.b/c": "1"}`, `{port: "http"}`, `{port: 80}`, `{path: "/a"}`, `{file: "a"}`, `{name: "a"}`, `{host: "example.com"}`, `{a: {b: {}}}`, `{a: ["b"]}`, `{"": 1}`,
	}
	taken, refused := 0, 0
	done := map[*language.Shape]bool{} // many fields are of the same one
	for _, name := range slices.Sorted(maps.Keys(c.shapes.Definitions)) {
		if _, ok := c.shapes.Definitions[name].Value.(*ast.StructLit); !ok {
			continue
		}
		all := whole.LookupPath(cue.ParsePath(name))
		shape := c.shapes.Definition(name)
		names := shape.Names()
		if len(shape.Patterns) > 0 || shape.Open {
			names = append(names, "a", "web-1", "A_b.c", "a/b", "no such")
		}
		for _, of := range append(names, "unknown") {
			if f := c.known(shape, of); f != nil && done[f.Shape] {
				continue
			} else if f != nil {
				done[f.Shape] = true
			}
			for _, text := range values {
				given := c.ctx.CompileString(fmt.Sprintf("%q: %s", of, text))
				strict := all.Unify(given).LookupPath(cue.MakePath(cue.Str(of))).Validate(cue.Concrete(true))
				tree := newTreeBuilder(c.loc).tree(given, "", "")
				c.errs = nil
				c.check(tree, &language.Field{Shape: shape})
				errs := slices.DeleteFunc(c.errs, func(e *Error) bool { return !strings.HasPrefix(e.Path+".", of+".") })
				if strict == nil {
					taken++
				} else {
					refused++
				}
				if (strict == nil) != (len(errs) == 0) {
					t.Errorf("%s: {%q: %s}: CUE says %v, but the checker %v", name, of, text, strict, errs)
				}
			}
		}
	}
	if taken < 1000 || refused < 1000 {
		t.Errorf("of the values %d are taken and %d refused: that shows little", taken, refused)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
