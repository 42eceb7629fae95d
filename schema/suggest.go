package schema

import (
	"fmt"
	"regexp"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
)

// fieldHint helps with a scalar where a struct is wanted, of which one field could
// have it: the required one, that with a list of words it is among, or the only one.
func (c *checker) fieldHint(n *node, f *language.Field) string {
	if !n.has(cue.StringKind|cue.IntKind) && (!n.has(cue.ListKind) || len(n.items) == 0) {
		return ""
	}
	var fitting []*language.Field
	for _, one := range f.Shape.Fields {
		if one.Shape.Structs && !one.Shape.Scalar || !c.fits(n, one.Shape) {
			continue
		}
		if one.Required || strings.HasPrefix(one.Must, `"`) {
			return fmt.Sprintf("write %s: %s: %s", label(n.name), one.Name, literalOf(n))
		}
		fitting = append(fitting, one)
	}
	if len(fitting) == 1 {
		return fmt.Sprintf("write %s: %s: %s", label(n.name), fitting[0].Name, literalOf(n))
	}
	return ""
}

// oneHint helps with a list of one, or a struct with one field, that has what is wanted
// in it, and with one alone where a list is wanted.
func (c *checker) oneHint(n *node, f *language.Field) string {
	switch {
	case n.has(cue.ListKind) && len(n.items) == 1 && f.Shape.Scalar && c.fits(n.items[0], f.Shape):
		return "write " + literalOf(n.items[0])
	case n.has(cue.StructKind) && len(n.fields) == 1 && !f.Shape.Structs && f.Shape.Scalar && n.fields[0].kind != cue.StructKind && c.fits(n.fields[0], f.Shape):
		return "write " + literalOf(n.fields[0])
	case n.has(cue.StringKind) && f.Shape.Elem != nil && c.fits(n, f.Shape.Elem):
		return fmt.Sprintf("write [%q]", n.text)
	}
	return ""
}

// literalOf writes a scalar, or a list of them, as CUE does.
func literalOf(n *node) string {
	switch {
	case n.has(cue.ListKind):
		items := make([]string, len(n.items))
		for i, item := range n.items {
			items[i] = literalOf(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case n.has(cue.StringKind):
		return fmt.Sprintf("%q", n.text)
	}
	return n.text
}

var (
	portSuffix = regexp.MustCompile(`:[0-9]*$`)
	address    = regexp.MustCompile(`^[0-9]+(\.[0-9]+){2}\.[1-9][0-9]*$`)
	notASCII   = regexp.MustCompile(`[^ -~]`)
)

// spellings are what a text could be a slip of.
var spellings = []func(string) string{
	strings.TrimSpace,
	strings.ToLower,
	strings.ToUpper,
	func(s string) string { return strings.ReplaceAll(s, " ", "-") },
	func(s string) string { return strings.ReplaceAll(s, " ", "") },
	func(s string) string { return notASCII.ReplaceAllString(s, "") },
	func(s string) string { return portSuffix.ReplaceAllString(s, "") },
	func(s string) string { return strings.ReplaceAll(s, "_", "-") },
	func(s string) string { return strings.ReplaceAll(s, "@", ":") },
	func(s string) string { return strings.ReplaceAll(s, ",", ".") },
	func(s string) string { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") },
	func(s string) string { return address.ReplaceAllString(s, "$0/32") },
}

// respelled proposes a text that would do in place of one that does not.
func (c *checker) respelled(n *node, s *language.Shape) string {
	if !n.has(cue.StringKind) || n.text == "" || s.Expr == nil {
		return ""
	}
	for _, spell := range spellings {
		if text := spell(n.text); text != n.text && c.fits(&node{kind: cue.StringKind, text: text}, s) {
			return fmt.Sprintf("write %q", text)
		}
	}
	return ""
}

var (
	template = regexp.MustCompile(`\{\{.*\}\}`)
	variable = regexp.MustCompile(`\$\{?[A-Za-z_]`)
)

// unfilled helps with a text that another tool, or a shell, would fill in.
func unfilled(n *node) string {
	if n.has(cue.StringKind) && (template.MatchString(n.text) || variable.MatchString(n.text)) {
		return "nothing fills this in: " + takeTag
	}
	return ""
}
