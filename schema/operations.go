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
	badCall    = regexp.MustCompile(`cannot call non-function .* \(type (\S+)\)`)
	badCount   = regexp.MustCompile(`(?:not enough|too many) arguments in call to ([\w.]+) \(have (\d+), want (\d+)\)`)
	badBound   = regexp.MustCompile(`(?:cannot use (\w+)|invalid value .* \(type (\w+)\)) for bound (\S+)`)
	badItem    = regexp.MustCompile(`invalid index (\S+) \(index must be`)
	badKey     = regexp.MustCompile(`invalid index (\S+) \(invalid type (\w+)\)`)
	badName    = regexp.MustCompile(`key value of dynamic field must be concrete, found (\w+)`)
	badSide    = regexp.MustCompile(`invalid operand .*\('([^']+)' requires concrete value\)`)
	badFields  = regexp.MustCompile(`adding field (\S+) not allowed as field set was already referenced`)
	badMatch   = regexp.MustCompile(`cannot use (?s:.*)\(type (\w+)\) as type (?s:.*) in (=~|!~)`)
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
	case badCall.MatchString(text):
		what := word(badCall.FindStringSubmatch(text)[1])
		if what == "_|_" {
			what = "what is none" // and has an error of its own
		}
		e.Message = fmt.Sprintf("%s: %s is called as a function", subject(e.Path), what)
		e.Hint = "remove the parentheses behind it"
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
	case badMatch.MatchString(text):
		m := badMatch.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s takes texts, not %s", subject(e.Path), m[2], word(m[1]))
		e.Hint = "write the pattern and what it is held against in quotes"
	case badCount.MatchString(text):
		m := badCount.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s takes %s, not %s", subject(e.Path), m[1], numberOf(m[3], "value"), m[2])
	case badBound.MatchString(text):
		m := badBound.FindStringSubmatch(text)
		e.Message = fmt.Sprintf("%s: %s does not compare with %s", subject(e.Path), m[3], word(m[1]+m[2]))
	case badItem.MatchString(text):
		e.Message = fmt.Sprintf("%s takes the item [%s] of a list", subject(e.Path), badItem.FindStringSubmatch(text)[1])
		e.Hint = "the first item is [0], and len(list) counts them"
	case badKey.MatchString(text):
		e.Message = fmt.Sprintf("%s: %s names no field, and is no place in a list", subject(e.Path), badKey.FindStringSubmatch(text)[1])
		e.Hint = "a field is named by a text, and an item by a whole number"
	case badName.MatchString(text):
		e.Message = fmt.Sprintf("%s: a field is named by %s", subject(e.Path), word(badName.FindStringSubmatch(text)[1]))
		e.Hint = `a name is a text: "\(x)": …`
	case badSide.MatchString(text):
		e.Message = fmt.Sprintf("%s: %s needs what has a value", subject(e.Path), badSide.FindStringSubmatch(text)[1])
		e.Hint = "write a value where it is defined, or a default: *\"a\" | string"
	case badFields.MatchString(text):
		e.Message = fmt.Sprintf("%s has fields that depend on which fields it has, such as %q", subject(e.Path), badFields.FindStringSubmatch(text)[1])
		e.Hint = "a for, an if, or what is embedded cannot add to what it reads: read another struct"
	case strings.Contains(text, "invalid interpolation"):
		e.Message = subject(e.Path) + " puts into a text what is no value"
		e.Hint = `refer to a text or a number in it: "\(name.field)"`
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

// numberOf is a number of things.
func numberOf(n, thing string) string {
	if n == "1" {
		return n + " " + thing
	}
	return n + " " + thing + "s"
}
