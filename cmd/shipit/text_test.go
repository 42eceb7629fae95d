package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fatih/color"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

// hostile is text as a pod, a registry or an API server could send it, and what a
// person sees of each.
var hostile = map[string]struct{ text, seen string }{
	"colours":                {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
	"the title of a window":  {"\x1b]0;title\a", `\x1b]0;title\a`},
	"a link":                 {"\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", `\x1b]8;;http://evil\x1b\here\x1b]8;;\x1b\`},
	"a line over another":    {"failed\rhealthy", `failed\rhealthy`},
	"backspaces":             {"no\b\byes", `no\b\byes`},
	"C1 controls":            {"\u009b31mred\u0085next", `\u009b31mred\u0085next`},
	"delete":                 {"a\x7f", `a\x7f`},
	"NUL":                    {"a\x00b", `a\x00b`},
	"bytes that are no text": {"a\xff\x9bb", `a\xff\x9bb`},
	"what was cut off":       {"a\ufffdb", "a\ufffdb"},
	"right to left":          {"\u202egnp.exe\u202c", `\u202egnp.exe\u202c`},
	"isolates":               {"\u2066a\u2069", `\u2066a\u2069`},
	"marks":                  {"\u200ea\u200f\u061c", `\u200ea\u200f\u061c`},
	"no width":               {"a\u200bb\ufeff", `a\u200bb\ufeff`},
	"tags":                   {"a\U000e0041", `a\U000e0041`},
	"separators":             {"a\u2028b\u2029c", `a\u2028b\u2029c`},
	"a workflow command":     {"::error::pwned", `\::error::pwned`},
	"one that is indented":   {"  ::set-output name=a::b", `  \::set-output name=a::b`},
	"one of another system":  {"x ##[error]pwned ##vso[task.complete]", `x #\#[error]pwned #\#vso[task.complete]`},
	"words":                  {"größer – 値 🚀\tok :: ok ## ok", "größer – 値 🚀\tok :: ok ## ok"},
	"a path of Windows":      {`C:\new`, `C:\new`},
}

func TestShown(t *testing.T) {
	t.Parallel()
	for name, tt := range hostile {
		if got := shown(tt.text); got != tt.seen {
			t.Errorf("%s: shown as %q, want %q", name, got, tt.seen)
		}
		if got := shown(tt.seen); got != tt.seen {
			t.Errorf("%s: shown twice: %q", name, got)
		}
		if got, want := cell(tt.text), strings.ReplaceAll(tt.seen, "\t", `\t`); got != want {
			t.Errorf("%s: in a table %q, want %q", name, got, want)
		}
	}
	if got, want := shown("a\r\n::error::b\n\nerror: c\n"), "a\n    \\::error::b\n\n    error: c"; got != want {
		t.Errorf("lines: %q, want %q", got, want)
	}
	if got, want := cell("a\n::error::b"), `a\n::error::b`; got != want {
		t.Errorf("a cell: %q, want %q", got, want)
	}
	if got, want := logged("\x1b[32mINFO\x1b[0m \x1b[2Jok"), `INFO \x1b[2Jok`; got != want {
		t.Errorf("a log: %q, want %q", got, want)
	}
}

// Whatever prints a text of others, nothing of it acts.
func TestNothingOfOthersActs(t *testing.T) {
	t.Parallel()
	for name, tt := range hostile {
		text := tt.text + "\n" + tt.text
		var both bytes.Buffer
		s := streams{out: &both, err: &both}
		app := &schema.App{}
		d := &apply.Diagnosis{Code: apply.Code(text), Unit: text, Pod: text, Container: text, Message: text, Logs: strings.Split(text, "\n"), Events: []string{text}, Hint: text}
		s.diagnosis(app, d, nil)
		s.foreseen(app, d)
		s.note("%s", text)
		s.note("%v", errors.New(text))
		s.warn("%v", errors.New(text))
		s.fail(errors.New(text), text)
		s.step(text, text, text)
		s.invalid(schema.Errors{{Code: schema.Code(text), Path: text, Message: text, Why: text, Hint: text, Pos: schema.Pos{File: text, Line: 1}, Related: []schema.Pos{{File: text, Line: 1}}}})
		s.result(&apply.Result{Units: []apply.UnitResult{{Name: text, Outcome: apply.Outcome(text), Release: 1, Images: []string{text}}}})
		if err := s.status(app, &apply.AppStatus{Units: []apply.UnitStatus{
			{Name: text, State: apply.State(text), Images: []string{text}, Source: text, Ready: true, Message: text, Diagnosis: d},
			{Name: "b", State: apply.StateInterrupted, By: text, DeployID: text},
		}}); err != nil {
			t.Fatal(err)
		}
		if err := s.history(app, []apply.UnitHistory{{Name: text, Releases: []apply.Release{{By: text, DeployID: text, Cause: text, Images: []string{text}}}}}); err != nil {
			t.Fatal(err)
		}
		r := &report{Findings: schema.Errors{{Code: schema.Code(text), Path: text, Message: text, Why: text, Hint: text, Pos: schema.Pos{File: text, Line: 1}}}}
		for format, write := range r.formats() {
			data, err := write()
			if err != nil {
				t.Fatal(err)
			}
			if format == "github" {
				if n := bytes.Count(data, []byte("\n")); n != 1 {
					t.Errorf("%s: %d lines for GitHub", name, n)
				}
				data = bytes.TrimPrefix(data, []byte("::error "))
			}
			both.Write(data)
		}
		acts(t, name, both.String())

		both.Reset()
		if err := s.json(d); err != nil {
			t.Fatal(err)
		}
		acts(t, name, both.String())
		var back apply.Diagnosis
		if err := json.Unmarshal(both.Bytes(), &back); err != nil || back.Message != strings.ToValidUTF8(text, "\ufffd") && name != "bytes that are no text" {
			t.Errorf("%s: in JSON %q, %v", name, back.Message, err)
		}
	}
}

// acts reports what in a text a terminal or a CI system would act on.
func acts(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.IndexFunc(strings.TrimRight(line, "\n"), func(r rune) bool { return r != '\t' && unseen(r) }) >= 0 || strings.HasPrefix(strings.TrimSpace(line), "::") || bracketCommand.MatchString(line) {
			t.Errorf("%s: printed %q", name, line)
		}
	}
}

// Our own colours stay.
func TestStyled(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := color.New(color.FgRed)
	c.EnableColor()
	printTo(&out, shown, "%s %s\n", styled(c.Sprint("failed:")), "\x1b[0m")
	if got, want := out.String(), "\x1b[31mfailed:\x1b[0m \\x1b[0m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
