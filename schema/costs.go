package schema

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/rule"
)

// maxTurns bounds the items of a list that is counted out, and the turns of for
// clauses through such lists: CUE needs a thousandth of a second for a few of them.
const maxTurns = 200_000

// costs refuses lists that are plainly endless: those counted out by numbers, and for
// clauses that go through them inside of each other. What else takes too much is found
// by what it takes (see Limitations).
func (g *guard) costs(f *ast.File, text []byte) (err error) {
	if !strings.Contains(string(text), ".Range(") && !strings.Contains(string(text), ".Repeat(") {
		return nil
	}
	tell := func(n ast.Node, what string, many float64) {
		err = g.refuse(&Error{
			Rule: rule.InputLimit, Pos: g.project.pos(n.Pos()), Message: fmt.Sprintf("%s %.0f times", what, many), Why: bounded,
			Hint: fmt.Sprintf("%d times is the most; what one service runs many times is replicas", maxTurns),
		})
	}
	ast.Walk(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if many := items(call, 0); many > maxTurns {
				tell(call, called(call)+" makes an item", many)
			}
		}
		return true
	}, nil)
	nests(f, func(c *ast.Comprehension, in, is nest) {
		if in.turns <= maxTurns && is.turns > maxTurns {
			tell(c, "this goes around", is.turns)
		}
	})
	return err
}

// loops gives where most for clauses are inside of each other in the project's own
// files, and how many these are: what takes too much is probably there.
func (p Project) loops() (where Pos, most int) {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return Pos{}, 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || !isSource(e.Name()) || !info.Mode().IsRegular() || info.Size() > maxFile/8 {
			continue // to look for long would take more of what is short
		}
		data, err := os.ReadFile(filepath.Join(p.Dir, e.Name()))
		if err != nil {
			continue
		}
		f, err := parser.ParseFile(filepath.Join(p.Dir, e.Name()), data)
		if err != nil {
			continue
		}
		nests(f, func(_ *ast.Comprehension, _, is nest) {
			if is.loops > most {
				where, most = p.pos(is.outermost.Pos()), is.loops
			}
		})
	}
	return where, most
}

// nest is a comprehension with all that it is inside of.
type nest struct {
	outermost *ast.Comprehension
	loops     int     // for clauses
	turns     float64 // of these, as far as they are known
}

// nests shows each comprehension of a file: the nest it is in, and the one it is.
func nests(f *ast.File, show func(c *ast.Comprehension, in, is nest)) {
	around := []nest{{turns: 1}}
	ast.Walk(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.Comprehension); ok {
			in := around[len(around)-1]
			is := nest{cmp.Or(in.outermost, c), in.loops, in.turns * clauseTurns(c)}
			for _, clause := range c.Clauses {
				if _, ok := clause.(*ast.ForClause); ok {
					is.loops++
				}
			}
			around = append(around, is)
			show(c, in, is)
		}
		return true
	}, func(n ast.Node) {
		if _, ok := n.(*ast.Comprehension); ok {
			around = around[:len(around)-1]
		}
	})
}

// clauseTurns are those of a comprehension's for clauses, as far as they are known.
func clauseTurns(c *ast.Comprehension) float64 {
	many := 1.0
	for _, clause := range c.Clauses {
		if loop, ok := clause.(*ast.ForClause); ok {
			many *= max(1, items(loop.Source, 0))
		}
	}
	return many
}

// items counts those of a list that is written out or counted out, also where it is
// referred to in its file; 0 when that is not plain to see.
func items(x ast.Expr, depth int) float64 {
	if depth > maxReferences {
		return 0
	}
	switch x := x.(type) {
	case *ast.ParenExpr:
		return items(x.X, depth+1)
	case *ast.Ident:
		if named := referent(x); named != nil {
			return items(named, depth+1)
		}
	case *ast.ListLit:
		sum := 0.0
		for _, item := range x.Elts {
			if c, ok := item.(*ast.Comprehension); ok {
				sum += clauseTurns(c)
			} else {
				sum++
			}
		}
		return sum
	case *ast.CallExpr:
		numbers := make([]float64, len(x.Args))
		for i, arg := range x.Args {
			numbers[i] = number64(arg)
		}
		switch {
		case called(x) == "list.Range" && len(numbers) == 3 && numbers[2] != 0:
			return known(math.Ceil((numbers[1] - numbers[0]) / numbers[2]))
		case called(x) == "list.Repeat" && len(numbers) == 2:
			return known(items(x.Args[0], depth+1) * numbers[1])
		}
	}
	return 0
}

// known gives a count, or 0 for one that something unknown is in.
func known(many float64) float64 {
	if many > 0 {
		return many
	}
	return 0
}

// called gives the name of the function that is called, when it is one of a package.
func called(x *ast.CallExpr) string {
	if f, ok := x.Fun.(*ast.SelectorExpr); ok {
		return dotted(f)
	}
	return ""
}

// number64 gives the value of a number that is written, else NaN.
func number64(x ast.Expr) float64 {
	switch x := x.(type) {
	case *ast.UnaryExpr:
		if x.Op == token.SUB {
			return -number64(x.X)
		}
	case *ast.BasicLit:
		var info literal.NumInfo
		if literal.ParseNum(x.Value, &info) == nil {
			var f float64
			if _, err := fmt.Sscan(info.String(), &f); err == nil {
				return f
			}
		}
	}
	return math.NaN()
}
