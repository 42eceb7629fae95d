package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
)

// unquoted is a text without the quotes that it needs, as YAML has them.
type unquoted struct {
	label  string // of the field that it is the value of; "" is an item of a list
	text   string // as it is written, to its end
	column int    // where it begins; the first is 1
}

var (
	beforeValue = regexp.MustCompile(`("[^"]*"|[\w$#][\w$#-]*)[?!]?:\s+|\[\s*|,\s*`)
	valueText   = regexp.MustCompile("^[^\\s\"'`\\[\\]{}(),][^\"'`\\[\\]{}(),]*")
	comment     = regexp.MustCompile(`\s+(//|#).*`)
	innerLabel  = regexp.MustCompile(`:(\s|$)`)
	calculated  = regexp.MustCompile(`^(if|for|let)\s|^[-+!<>=&|]+$|(^|\s)([+&|=!<>?-]+|div|mod)(\s|$)|\*\w+ \|`)
)

// unquotedIn gives what could be texts without quotes in a line.
func unquotedIn(line string) []unquoted {
	var all []unquoted
	for _, m := range beforeValue.FindAllStringSubmatchIndex(line, -1) {
		text := strings.TrimSpace(comment.ReplaceAllString(valueText.FindString(line[m[1]:]), ""))
		if text == "" || strings.HasPrefix(text, "//") || innerLabel.MatchString(text) || calculated.MatchString(text) {
			continue
		}
		u := unquoted{text: text, column: m[1] + 1}
		if m[2] >= 0 {
			u.label = strings.Trim(line[m[2]:m[3]], `"`)
		}
		all = append(all, u)
	}
	return all
}

// unquotedAt gives that which is at a column, or ends just before it.
func unquotedAt(line string, column int) (found unquoted, ok bool) {
	for _, u := range unquotedIn(line) {
		if u.column <= column && column <= u.column+len(u.text) {
			found, ok = u, true
		}
	}
	return found, ok
}

// field writes the field, or the item, as CUE has it. What may be a secret is not
// repeated.
func (u unquoted) field(line string) string {
	text := fmt.Sprintf("%q", u.text)
	n := &node{name: u.label, kind: cue.StringKind, text: u.text}
	switch {
	case strings.Contains(line, "secrets") || secretName.MatchString(u.label):
		text = `"…"`
	case u.label == "ports" && portHint(n) != "":
		m := published.FindStringSubmatch(u.text)
		return "ports: http: " + m[1]
	case quantities[u.label]:
		if better, ok := strings.CutPrefix(quantityHint(n), "write "); ok {
			text = better
		}
	}
	if u.label == "" {
		return text
	}
	return label(u.label) + ": " + text
}

// textHint helps with a struct that CUE makes of a text without quotes that has a colon
// in it, such as nginx:1.29, and with a list of names without quotes.
func (c *checker) textHint(n *node, f *language.Field) string {
	switch {
	case n.kind == cue.StructKind && f.Shape.Scalar:
		line, _ := c.loc.project.lines(n.pos)
		for _, u := range unquotedIn(line) {
			if u.label == n.name && u.column >= n.pos.Column && strings.Contains(u.text, ":") && !strings.Contains(u.text, " ") {
				return "write " + u.field(line)
			}
		}
	case n.kind == cue.ListKind:
		m := nameList.FindStringSubmatch(c.loc.project.from(n.pos))
		if m == nil {
			return ""
		}
		named := &node{name: n.name, kind: cue.ListKind}
		for _, item := range strings.Split(strings.TrimRight(m[1], ", \t\n"), ",") {
			name := strings.TrimSpace(item)
			named.items = append(named.items, &node{kind: cue.StringKind, text: name[strings.LastIndexByte(name, '.')+1:]})
		}
		return namesHint(named, f)
	}
	return ""
}

// nameList is a list of names that are not in quotes.
var nameList = regexp.MustCompile(`^\[\s*((?:[\w.-]+\s*,?\s*)+)\]`)

// quantities are fields whose values are often written with units of everyday.
var quantities = map[string]bool{"cpu": true, "memory": true, "size": true, "sizeLimit": true, "ephemeral-storage": true}

// onlyText begins, or is in, what can be nothing but a text.
var onlyText = regexp.MustCompile(`^[./~@*%^?-]|\w[/:@%]\S|^[0-9]`)

const inQuotes = "a text stands in double quotes"

// unquotedText tells of a text without quotes, where CUE does not understand it.
func unquotedText(m *mistake) bool {
	line, column := m.line, m.e.Pos.Column
	u, ok := unquotedAt(line, column)
	if !ok && strings.Contains(m.said, "attribute") { // CUE looks for it on the line after, too
		if u, ok = unquotedAt(m.before, len(m.before)+1); ok {
			line, m.e.Pos.Line = m.before, m.e.Pos.Line-1
		}
	}
	words := strings.Fields(u.text)
	switch {
	case !ok:
		return false
	case strings.Contains(m.said, "missing ','") && len(words) > 1 && fieldNames()[words[0]]:
		return false // a comma, or a colon
	case strings.Contains(m.said, "missing ','") && column == u.column:
		return false
	case !strings.Contains(m.said, "missing ','") && !onlyText.MatchString(u.text):
		return false
	}
	m.e.Pos.Column = u.column
	m.e.Message, m.e.Hint = inQuotes, "write "+u.field(line)
	return true
}

// fieldNames are the names of all fields of the language.
var fieldNames = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	s, err := language.Read()
	if err != nil {
		return names
	}
	for name := range s.Definitions {
		for _, field := range s.Definition(name).Names() {
			names[field] = true
		}
	}
	return names
})

var (
	nameBefore  = regexp.MustCompile(`(?:^|[\s{,:])("[^"]*"|[A-Za-z_$#][\w$#-]*)\s+$`)
	baseBefore  = regexp.MustCompile(`(?:^|[\s{,:])((?:\w+\.)?#\w+|_\w+)\s+$`)
	valueBehind = regexp.MustCompile(`^("[^"]*"|[^\s"',{}\[\]]+)`)
	labelBehind = regexp.MustCompile(`^("[^"]*"|[\w$#-]+)\s*:`)
)

// missingColon tells of a name without a colon behind it.
func missingColon(m *mistake) bool {
	if m.e.Pos.Column < 1 || m.e.Pos.Column > len(m.line) {
		return false
	}
	before, rest := m.line[:m.e.Pos.Column-1], m.line[m.e.Pos.Column-1:]
	if base := baseBefore.FindStringSubmatch(before); base != nil && rest[0] == '{' {
		m.e.Message = "what is added to another struct stands behind &"
		m.e.Hint = fmt.Sprintf("write %s & {", base[1])
		return true
	}
	found := nameBefore.FindStringSubmatch(before)
	if found == nil {
		return false
	}
	name, text := found[1], strings.HasPrefix(found[1], `"`)
	what := ""
	switch {
	case rest[0] == '{' || rest[0] == '[':
		what = rest[:1]
	case text:
		return false // more likely a value, and a comma is missing
	case labelBehind.MatchString(rest):
		if !fieldNames()[name] {
			return false // a value
		}
		what = strings.TrimSpace(labelBehind.FindString(rest)) + " …"
	case valueBehind.MatchString(rest):
		what = valueBehind.FindString(rest)
		scalar := strings.HasPrefix(what, `"`) || plainScalar.MatchString(what)
		if !scalar && !fieldNames()[name] {
			return false // several words
		}
		if !scalar {
			what = fmt.Sprintf("%q", what)
		}
		if strings.Contains(m.line, "secrets") || secretName.MatchString(name) {
			what = "…"
		}
	default:
		return false
	}
	m.e.Message = "a colon is missing between a name and its value"
	m.e.Hint = fmt.Sprintf("write %s: %s", quotedName(name), what)
	return true
}

var plainScalar = regexp.MustCompile(`^(-?[0-9][0-9._]*([KMGTP]i?)?|true|false|null)$`)

// quotedName writes the name of a field as CUE wants it, when it has a hyphen too.
func quotedName(name string) string {
	if strings.HasPrefix(name, `"`) || !strings.Contains(name, "-") {
		return name
	}
	return fmt.Sprintf("%q", name)
}

// behindUnquoted drops what CUE does not understand only because of a text without
// quotes before it in the same file.
func behindUnquoted(errs Errors) Errors {
	first, unfinished := map[string]Pos{}, map[string]int{}
	for _, e := range errs {
		if e.Message == inQuotes && strings.HasSuffix(e.Hint, `*"`) {
			unfinished[e.Pos.File] = e.Pos.Line // CUE multiplies by what follows
		}
		if known, ok := first[e.Pos.File]; e.Message == inQuotes && (!ok || e.Pos.compare(known) < 0) {
			first[e.Pos.File] = e.Pos
		}
	}
	return slices.DeleteFunc(errs, func(e *Error) bool {
		at, ok := first[e.Pos.File]
		if !ok || e.Message == inQuotes || at.compare(e.Pos) >= 0 {
			return false
		}
		return strings.Contains(e.Raw, "missing ',' in list") || strings.Contains(e.Raw, "missing ','") && unfinished[e.Pos.File] == e.Pos.Line-1
	})
}
