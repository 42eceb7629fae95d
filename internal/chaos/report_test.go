package chaos

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	tableBegins = "<!-- made by make chaos, not by hand -->\n"
	tableEnds   = "<!-- up to here -->\n"
)

// write puts the table into a page, between its marks.
func (rs *results) write(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !ok || !ends {
		return fmt.Errorf("%s has no place for the table", file)
	}
	return os.WriteFile(file, []byte(before+tableBegins+rs.table()+tableEnds+after), 0o644)
}

// backColumn is of the faults that strike on the way back of a bad deploy.
const backColumn = "bad, back"

func columns() []string {
	var out []string
	for _, s := range scenarios() {
		if out = append(out, s.name); s.bad {
			out = append(out, backColumn)
		}
	}
	return out
}

// table has a row for each fault and a column for each scenario: in how many cases it
// ended as asked, and how the others did.
func (rs *results) table() string {
	var b strings.Builder
	total := map[end]int{}
	for _, r := range rs.cases {
		total[r.end]++
	}
	fmt.Fprintf(&b, "\n%d cases: %s.\n\n| fault |", len(rs.cases), cell(total, true))
	for _, c := range columns() {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+len(columns())) + "\n")
	for _, f := range faults() {
		fmt.Fprintf(&b, "| `%s`: %s |", f.name, f.what)
		for _, c := range columns() {
			ends := map[end]int{}
			for _, r := range rs.cases {
				if r.column == c && r.fault == f.name {
					ends[r.end]++
				}
			}
			fmt.Fprintf(&b, " %s |", cell(ends, false))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	if total[wrong] > 0 {
		b.WriteString("What was wrong:\n\n")
		bad := slices.DeleteFunc(slices.Clone(rs.cases), func(r result) bool { return r.end != wrong })
		slices.SortFunc(bad, func(x, y result) int { return cmp.Compare(x.name, y.name) })
		for _, r := range bad {
			first, _, _ := strings.Cut(r.wrong[0], "\n")
			fmt.Fprintf(&b, "- `%s`: %s\n", r.name, first)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// cell has the counts of one cell; alone, those that ended as asked need no word.
func cell(ends map[end]int, words bool) string {
	var out []string
	for _, e := range []end{asAsked, putBack, refused, finished, failed, wrong} {
		switch n := ends[e]; {
		case n == 0:
		case e == asAsked && !words:
			out = append(out, itoa(n))
		case e == wrong:
			out = append(out, fmt.Sprintf("**%d %s**", n, e))
		default:
			out = append(out, fmt.Sprintf("%d %s", n, e))
		}
	}
	return strings.Join(out, ", ")
}

func TestTable(t *testing.T) {
	t.Parallel()
	rs := &results{}
	for _, e := range []end{asAsked, asAsked, finished, wrong} {
		rs.add(result{column: "bad", fault: "503", name: "bad/503/7", end: e, wrong: []string{"db is locked\nand more"}})
	}
	got := rs.table()
	for _, want := range []string{
		"\n4 cases: 2 as asked, 1 finished, **1 wrong**.\n",
		"| `503`: 503 once |  |  | 2, 1 finished, **1 wrong** |  |  |  |  |\n",
		"- `bad/503/7`: db is locked\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	file := t.TempDir() + "/page.md"
	check(t, os.WriteFile(file, []byte("before\n"+tableBegins+"old\n"+tableEnds+"after\n"), 0o600))
	check(t, rs.write(file))
	page, err := os.ReadFile(file)
	check(t, err)
	if want := "before\n" + tableBegins + got + tableEnds + "after\n"; string(page) != want {
		t.Errorf("the page is\n%s", page)
	}
}
