package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// styled is text of our own that may have the sequences of colours.
type styled string

// Text of pods, registries, the API server, and names of files reach a person only
// through these. What a terminal or a CI system would act on is written out, so that
// it is seen and does nothing.

// shown is a text for a person: its further lines are indented, so that none of them
// passes for a line of ours.
func shown(text string) string { return lines(text, "    ") }

// seen is a text in a form that a program reads and shows, with its lines as they are.
func seen(text string) string { return lines(text, "") }

func lines(text, indent string) string {
	lines := strings.Split(strings.ReplaceAll(strings.TrimRight(text, "\n"), "\r\n", "\n"), "\n")
	for i, line := range lines {
		line = inert(escaped(line, "\t"))
		if i > 0 && line != "" {
			line = indent + line
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// cell is a text for a column of a table, which has no lines nor columns of its own.
func cell(text string) string { return inert(escaped(text, "")) }

// logged is a line of a program's log. Its colours are left out, as most have them.
func logged(line string) string { return inert(escaped(colours.ReplaceAllString(line, ""), "\t")) }

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// escaped writes out what is not seen, or moves what is: control characters, marks of
// the direction of text, separators of lines, and bytes that are no UTF-8.
func escaped(text, keep string) string {
	if strings.IndexFunc(text, func(r rune) bool { return unseen(r) || r == utf8.RuneError }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unseen(r) && !strings.ContainsRune(keep, r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unseen reports whether a character is a control character, or changes how others are
// shown (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
func unseen(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// Lines that CI systems take for commands: ::error::…, ##[error]…, ##vso[…], and
// those of TeamCity. The first may be indented, the others be anywhere.
var (
	workflowCommand = regexp.MustCompile(`^(\s*)::`)
	bracketCommand  = regexp.MustCompile(`##(\w*\[)`)
)

// inert keeps a line from being a command to the CI system that shows it.
func inert(line string) string {
	return bracketCommand.ReplaceAllString(workflowCommand.ReplaceAllString(line, `$1\::`), `#\#$1`)
}

// printTo writes a line of our own with the texts of others in it. In a table they
// are cells.
func printTo(w io.Writer, as func(string) string, format string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case styled:
		case string:
			args[i] = as(a)
		case error, fmt.Stringer:
			args[i] = as(fmt.Sprint(a))
		default:
			if text := fmt.Sprint(a); text != as(text) {
				args[i] = as(text) // of a type of its own, such as a Code
			}
		}
	}
	line := fmt.Sprintf(format, args...)
	if workflowCommand.MatchString(line) {
		line = inert(line) // it begins with somebody's text
	}
	_, _ = io.WriteString(w, line)
}

// plainJSON writes out in JSON's own way what would act in text: such characters are
// nowhere but in its strings, which stay exactly what they are.
func plainJSON(data []byte) []byte {
	data = bracketCommand.ReplaceAll(data, []byte(`#\u0023$1`))
	if strings.IndexFunc(string(data), func(r rune) bool { return unseen(r) && r != '\n' && r != '\t' }) < 0 {
		return data
	}
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case !unseen(r) || r == '\n' || r == '\t':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
