package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"github.com/shipit-dev/shipit/schema/rule"
)

// habit is one from another language that CUE does not understand: it is known
// by CUE's words, by the line, or by both.
type habit struct {
	said, line    *regexp.Regexp
	message, hint string              // the message may be empty: then CUE's words stay; $1 is of the line
	tell          func(*mistake) bool // in their place: it reports whether it is this habit
}

// mistake is something that CUE does not understand.
type mistake struct {
	said         string // by CUE
	line, before string // where it is
	e            *Error
}

// takeTag says what to write in place of what another tool, or a shell, fills in.
const takeTag = `write an expression, "nginx:\(_tag)", and take values from the command line: _tag: string @tag(tag)`

// habits are tried in order.
var habits = []habit{
	{line: regexp.MustCompile(`^(<{7} |={7}$|>{7} )`), message: "this is a mark of a merge that git left to you", hint: "keep one of the two sides, and remove the lines with <<<<<<<, ======= and >>>>>>>"},
	{said: regexp.MustCompile(`illegal character U\+(200[B-F]|2060|00AD|FEFF|202[A-E])`), message: "there is a character here that cannot be seen", hint: "remove it, or type the line again"},
	{said: regexp.MustCompile(`illegal character U\+(FF|30)`), message: "this is punctuation of another script", hint: "write : , ( ) as on an English keyboard"},
	{line: regexp.MustCompile(`:\s*"?\$\{`), said: regexp.MustCompile(`missing ','|expected|illegal`), message: "a variable of a shell is no CUE",
		hint: takeTag},
	{line: regexp.MustCompile(`\{\{`), message: "a template of another tool is no CUE",
		hint: takeTag},
	{line: regexp.MustCompile(`^\s*#[^:{]*$`), message: "a comment begins with //, not with #", hint: "write // instead of #"},
	{said: regexp.MustCompile(`missing ','|expected`), line: regexp.MustCompile(`[^\s{,]\s+#\s`), message: "a comment begins with //, not with #", hint: "write // instead of #"},
	{line: regexp.MustCompile(`[“”‘’„]`), message: "these are quotation marks of a word processor", hint: `write " on both sides of a text`},
	{line: regexp.MustCompile(`:\s*[|>][-+]?\s*$`), message: "a text of several lines is not written as in YAML",
		hint: `put it between """ and """, each on a line of its own`},
	{said: regexp.MustCompile(`expected (operand|label)|missing ','`), line: regexp.MustCompile(`^\s*- `), message: "a list is not written with dashes", hint: `write it in brackets: ["a", "b"]`},
	{line: regexp.MustCompile(`^\s*import\s+[^\s"'(]+$`), message: "the path of an import stands in double quotes", hint: `write import "shipit.dev/v1"`},
	{said: regexp.MustCompile(`expected label or ':', found|expected ','`), line: regexp.MustCompile(`^\s*import\b`), message: "an import stands before all fields",
		hint: "move it below the line with package"},
	{said: regexp.MustCompile(`expected|found`), line: regexp.MustCompile(`^\s*package\s+[A-Za-z_]\w*\s*$`), message: "package stands once, before all else", hint: "move it to the top of the file, or remove it"},
	{said: regexp.MustCompile(`expected ','|expected label|invalid package|expected package|found 'INT'`), line: regexp.MustCompile(`^\s*package\b`), message: "a package is named with letters, digits and _ only", hint: `write a name such as "package shop"`},
	{said: regexp.MustCompile(`^else requires|else `), line: regexp.MustCompile(`\belse\b`), message: "CUE has no else", hint: "write a second if with the opposite condition"},
	{said: regexp.MustCompile(`missing ',' in struct|expected '}'|expected label|expected operand`), line: regexp.MustCompile(`(?:^|[\s{,:])([A-Za-z_]\w*(?:-\w*)+)\s*:(?:[\s{"]|$)`), message: "a name with a hyphen needs quotes", hint: `write "$1": …`},
	{said: regexp.MustCompile(`missing ',' in struct|expected|illegal`), line: regexp.MustCompile(`(?:^|[\s{,:])([\w.-]+/[\w./-]+)\s*:(?:[\s{"]|$)`), message: "a name with a slash needs quotes", hint: `write "$1": …`},
	{said: regexp.MustCompile(`expected label or ':'`), line: regexp.MustCompile(`^\s*[\w"-]+\s*=\s*\S`), message: "a value follows a colon, not an equals sign", hint: "write : instead of ="},
	{line: regexp.MustCompile(`;\s*\w|;\s*$`), said: regexp.MustCompile(`missing ',' in struct|illegal character`), message: "fields are not divided by semicolons", hint: "write a comma, or a new line"},
	{said: regexp.MustCompile(`expected '{', found '='`), line: regexp.MustCompile(`^\s*if\b`), message: "two values are compared with ==, not with =", hint: "write == instead of ="},
	{line: regexp.MustCompile(`^\s*}?\s*else\b`), message: "CUE has no else", hint: "write a second if with the opposite condition"},
	{said: regexp.MustCompile(`missing ',' in struct|expected label`), line: regexp.MustCompile(`^\s*v1\.#?[Aa]pp\s*[:{|]`), message: "the App is v1.#App with & before its struct", hint: "write v1.#App & {…}"},
	{said: regexp.MustCompile(`missing ','|expected operand|expected identifier|illegal|attribute`), tell: unquotedText},
	{said: regexp.MustCompile(`missing ',' in struct|expected label or ':', found`), tell: missingColon},
	{said: regexp.MustCompile(`missing ',' in struct`), line: regexp.MustCompile(`^\s*\w+(\.\w+)+\s*:`), message: "a field of a field is not written with a dot", hint: "write a colon: services: web: image: …"},
	{said: regexp.MustCompile(`missing ',' in struct`), line: regexp.MustCompile(`[\s{,:]([A-Za-z_]\w*(?:\.\w+)+)\s*:`), message: "a name with a dot needs quotes", hint: `write "$1": …`},
	{said: regexp.MustCompile(`missing ',' in struct`), line: regexp.MustCompile(`(?:^|[\s{,:])([0-9]\w*)\s*:`), message: "a name that begins with a digit needs quotes", hint: `write "$1": …`},
	{said: regexp.MustCompile(`illegal (integer )?number`), line: regexp.MustCompile(`\b0[0-9]`), message: "a number does not begin with 0", hint: "write it without the 0; 0o644 is octal, and with quotes it is a text"},
	{said: regexp.MustCompile(`missing ',' in struct`), message: "a comma is missing between two fields", hint: "write a comma, or a new line; a text of several words needs quotes"},
	{said: regexp.MustCompile(`missing ',' in list`), message: "a comma is missing between two items, or the list is not closed", hint: "write ] at the end of the list"},
	{said: regexp.MustCompile(`expected label or ':', found 'STRING'|expected label or ':', found 'INT'`), message: "a colon is missing between a name and its value", hint: "write NAME: VALUE"},
	{said: regexp.MustCompile(`string literal not terminated`), hint: `close the text with " on the same line`},
	{said: regexp.MustCompile(`expected operand, found ','`), message: "there is nothing before this comma", hint: "remove it, or write a value"},
	{said: regexp.MustCompile(`expected '[]})]', found the end of the file`), hint: "close what is open"},
	{said: regexp.MustCompile(`expected the end of the file, found`), hint: "remove it, or open what it closes"},
	{said: regexp.MustCompile(`illegal character NUL`), message: "this file has a NUL in it", hint: "save it as text in UTF-8"},
	{said: regexp.MustCompile(`invalid quoted string`), message: "the path of an import stands in double quotes", hint: `write import "example.com/shop/platform"`},
}

// tokens are names that CUE gives to parts of a text.
var tokens = regexp.MustCompile(`'(?:STRING|IDENT|INT|FLOAT|INTERPOLATION)' ?`)

// syntaxError says what CUE does not understand, and what to write.
func (p Project) syntaxError(e *Error, message string) {
	e.Message = "CUE does not understand this: " + clean(tokens.ReplaceAllString(message, ""))
	if strings.Contains(message, "relative import paths") {
		e.Code = rule.Import
		e.Message = "a package is not imported by where it is, but by its name"
		e.Hint = "write the module's path and the folder: " + `"` + p.modulePath() + `/FOLDER"`
		return
	}
	line, before := p.lines(e.Pos)
	for _, s := range habits {
		if s.said != nil && !s.said.MatchString(message) {
			continue
		}
		if s.line != nil && !s.line.MatchString(line) {
			if !strings.Contains(s.message, "equals sign") || !s.line.MatchString(before) {
				continue // CUE tells of an equals sign on the line after
			}
			e.Pos.Line, e.Pos.Column = e.Pos.Line-1, strings.IndexByte(before, '=')+1
		}
		if s.tell != nil {
			if s.tell(&mistake{said: message, line: line, before: before, e: e}) {
				break
			}
			continue
		}
		if e.Hint = s.hint; strings.Contains(s.hint, "$1") {
			e.Hint = string(s.line.ExpandString(nil, s.hint, line, s.line.FindStringSubmatchIndex(line)))
		}
		if s.message != "" {
			e.Message = s.message
		}
		break
	}
	if strings.Contains(message, "the end of the file") {
		p.brackets(e)
	}
}

// lines gives the line of a file of the project, and the one before it.
func (p Project) lines(at Pos) (line, before string) {
	if !at.IsValid() || at.Module != "" {
		return "", ""
	}
	data, err := p.read(filepath.Join(p.Dir, filepath.FromSlash(at.File)))
	if err != nil || len(data) > maxFile {
		return "", ""
	}
	all := strings.Split(string(data), "\n")
	if at.Line > len(all) {
		return "", ""
	}
	if line = all[at.Line-1]; at.Line > 1 {
		before = all[at.Line-2]
	}
	return line, before
}

// from gives the text of a file of the project from a place on, as far as is needed to
// see what stands there.
func (p Project) from(at Pos) string {
	if !at.IsValid() || at.Module != "" {
		return ""
	}
	data, err := p.read(filepath.Join(p.Dir, filepath.FromSlash(at.File)))
	if err != nil || len(data) > maxFile {
		return ""
	}
	lines := strings.SplitAfter(string(data), "\n")
	if at.Line > len(lines) || at.Column < 1 || at.Column > len(lines[at.Line-1]) {
		return ""
	}
	lines = lines[at.Line-1:]
	return strings.Join(lines[:min(len(lines), 20)], "")[at.Column-1:]
}

// brackets says which bracket is to blame for one too few or too many, as far as how
// the lines are indented tells.
func (p Project) brackets(e *Error) {
	data, err := p.read(filepath.Join(p.Dir, filepath.FromSlash(e.Pos.File)))
	if err != nil || len(data) > maxFile || e.Pos.Module != "" {
		return
	}
	odd, opens := oddBracket(e.Pos.File, data)
	if odd < 0 {
		return
	}
	at := offsetIn(e.Pos.File, data, odd, Pos{File: e.Pos.File})
	if at == e.Pos {
		return
	}
	e.Related = []Pos{at}
	if e.Hint = fmt.Sprintf("look at line %d: what is closed there was not opened at that depth", at.Line); opens {
		e.Hint = fmt.Sprintf("close what line %d opens", at.Line)
	}
}

// withoutConsequences drops what follows from another error of the syntax of the
// same file: that its end comes too early.
func withoutConsequences(errs Errors) Errors {
	said := map[string]bool{}
	return slices.DeleteFunc(errs, func(e *Error) bool {
		if e.Code != rule.Syntax {
			return false
		}
		again := said[e.Pos.File] && (strings.Contains(e.Raw, "found 'EOF'") || strings.Contains(e.Raw, "expected 'EOF'")) || said[e.Pos.String()+e.Message]
		said[e.Pos.File], said[e.Pos.String()+e.Message] = true, true
		if e.Message == quotationMarks {
			again = again || said[e.Pos.File+e.Message]
			said[e.Pos.File+e.Message] = true
		}
		return again
	})
}

const quotationMarks = "these are quotation marks of a word processor"

// tagPlace gives the place of the field that a tag sets.
func (p Project) tagPlace(inst *build.Instance, name string) Pos {
	var found Pos
	for pos, tag := range newSyntax(p, inst).tags {
		if tag == name && (!found.IsValid() || pos.compare(found) < 0) {
			found = pos
		}
	}
	return found
}

// excluded tells of a package all files of which @if keeps out.
func (p Project) excluded(inst *build.Instance, raw string) Errors {
	e := &Error{
		Code:    rule.NoApp,
		Message: "no CUE file here takes part in the package",
		Why:     "files with @if(…) need a tag, and those that end with _tool.cue or _test.cue never do",
		Raw:     raw,
	}
	for _, f := range inst.IgnoredFiles {
		if e.Pos.IsValid() {
			break
		}
		e.Pos = Pos{File: p.file(f.Filename), Line: 1, Column: 1}
		data, err := os.ReadFile(f.Filename)
		if m := ifTag.FindSubmatch(data); err == nil && m != nil {
			e.Hint = "give the tag: -t " + string(m[1])
		}
	}
	return Errors{e}
}

var ifTag = regexp.MustCompile(`(?m)^@if\((\w+)\)`)

// lastPos gives the last place of an error: inside of what is imported, not where
// it is imported.
func (p Project) lastPos(c cueerrors.Error) Pos {
	last := Pos{}
	for _, t := range cueerrors.Positions(c) {
		if pos := p.pos(t); pos.IsValid() {
			last = pos
		}
	}
	return last
}
