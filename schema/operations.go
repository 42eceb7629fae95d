package schema

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

var (
	badText    = regexp.MustCompile(`invalid interpolation: .*\(type (\w+)\)`)
	badOperand = regexp.MustCompile(`invalid operands (.*) to '([^']+)' \(type (\w+) and (\w+)\)`)
	badUnary   = regexp.MustCompile(`invalid operation ([-+!])`)
	badNumber  = regexp.MustCompile(`cannot use (.*) \(type (\w+)\) as type [\w|()]+ in ([-+*/]|div|mod)`)
)

// kindWords are CUE's kinds in plain words.
var kindWords = map[string]string{"string": "a text", "int": "a number", "float": "a number", "number": "a number", "bool": "a boolean", "struct": "a struct", "list": "a list", "bytes": "bytes", "null": "null"}

// yamlWords are words of YAML and other languages that are none in CUE.
var yamlWords = map[string]string{
	"yes": "true", "on": "true", "True": "true", "TRUE": "true", "Yes": "true",
	"no": "false", "off": "false", "False": "false", "FALSE": "false", "No": "false",
	"nil": "null", "None": "null", "Null": "null", "NULL": "null",
}

// operation is about an operator, or a text put together, and what it cannot take.
// It reports whether that is so.
func (t *translator) operation(e *Error, text string) bool {
	switch {
	case badText.MatchString(text):
		m := badText.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s puts %s into a text", subject(e.Path), word(m[1]))
		e.Hint = `refer to a text or a number in it: "\(name.field)"`
	case strings.Contains(text, "superseded by list.Concat"), strings.Contains(text, "superseded by list.Repeat"):
		e.Message = subject(e.Path) + " joins lists with an operator"
		e.Hint = `write list.Concat([a, b]), with import "list"`
	case badOperand.MatchString(text):
		m := badOperand.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s cannot combine %s and %s", subject(e.Path), m[2], word(m[3]), word(m[4]))
		if strings.Contains(text, "type string") {
			e.Hint = `put a value into a text with "…\(name)"`
		}
	case badUnary.MatchString(text):
		m := badUnary.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s is written before what is no number", subject(e.Path), m[1])
		if m[1] == "-" {
			e.Hint = `write a list in brackets: ["a", "b"]`
		}
	case badNumber.MatchString(text):
		m := badNumber.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s takes numbers, not %s", subject(e.Path), m[3], word(m[2]))
	default:
		return false
	}
	e.Code = rule.Evaluation
	if p := t.loc.nearest(e.Path); p.IsValid() {
		e.Pos, e.Related = p, nil
	}
	return true
}

func word(kind string) string {
	if w := kindWords[kind]; w != "" {
		return w
	}
	return kind
}
