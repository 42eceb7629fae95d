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
	badLoop    = regexp.MustCompile(`cannot range over .* \(found (\w+), want`)
	badIf      = regexp.MustCompile(`cannot use .* \(type (\w+)\) as type bool`)
	badIndex   = regexp.MustCompile(`index out of range \[(-?\d+)\] with length (\d+)`)
	badPattern = regexp.MustCompile("invalid regexp: (?:error parsing regexp: )?(.*)$")
	badValue   = regexp.MustCompile(`cannot use .* \(type (\w+)\) as .* in argument \d+ to ([\w.]+)`)
	badPart    = regexp.MustCompile(`invalid operand .* \(found (\w+), want list or struct\)`)
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
	case badLoop.MatchString(text):
		e.Message = fmt.Sprintf("%s: for goes through %s", subject(e.Path), word(badLoop.FindStringSubmatch(text)[1]))
		e.Hint = `go through a list or a struct: for x in ["a", "b"] {…}, for name, x in {a: …, b: …} {…}`
	case badIf.MatchString(text):
		e.Message = fmt.Sprintf("%s: %s stands where only true or false can be", subject(e.Path), word(badIf.FindStringSubmatch(text)[1]))
		e.Hint = `compare it: if name == "shop" {…}`
	case strings.Contains(text, "integer fields not supported"):
		e.Message = fmt.Sprintf("%s: a field is named by a number", subject(e.Path))
		e.Hint = `make a text of it: "web-\(i)": …`
	case badIndex.MatchString(text):
		m := badIndex.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s takes the item [%s] of a list of %s", subject(e.Path), m[1], m[2])
		e.Hint = "the first item is [0]"
	case badPattern.MatchString(text):
		e.Message = fmt.Sprintf("%s: this is no regular expression: %s", subject(e.Path), badPattern.FindStringSubmatch(text)[1])
		e.Hint = `close what is open in it; \\ before a character takes it as it is: "\\["`
	case badPart.MatchString(text):
		e.Message = fmt.Sprintf("%s: a part is taken of %s, which has none", subject(e.Path), word(badPart.FindStringSubmatch(text)[1]))
	case badValue.MatchString(text):
		m := badValue.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s does not take %s", subject(e.Path), m[2], word(m[1]))
	case strings.Contains(text, "superseded by list.Concat"), strings.Contains(text, "superseded by list.Repeat"):
		e.Message = subject(e.Path) + " joins lists with an operator"
		e.Hint = `write list.Concat([a, b]), with import "list"`
	case badOperand.MatchString(text):
		m := badOperand.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s cannot combine %s and %s", subject(e.Path), m[2], word(m[3]), word(m[4]))
		switch {
		case strings.ContainsAny(m[2], "=<>"):
			e.Message = fmt.Sprintf("%s: %s compares %s with %s", subject(e.Path), m[2], word(m[3]), word(m[4]))
			e.Hint = "compare values of one kind"
		case m[3] == "struct" && m[4] == "struct":
			e.Hint = "structs are combined with &"
		case strings.Contains(text, "type string"):
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
	if p := t.loc.nearest(e.Path); p.IsValid() && !t.syntax().decides[e.Pos] {
		e.Pos = p
	}
	e.Related = nil
	return true
}

func word(kind string) string {
	if w := kindWords[kind]; w != "" {
		return w
	}
	return kind
}
