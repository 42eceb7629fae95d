package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fatih/color"

	"github.com/shipit-dev/shipit/schema"
)

// streams are where a command reads and writes: data to out, the rest to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
	width    int // of the column of services in a line of progress
	session  *session
}

// paint colours text for err when that is a terminal and NO_COLOR is unset.
func (s streams) paint(attribute color.Attribute, text string) styled {
	c := color.New(attribute)
	if s.colours(s.err) {
		c.EnableColor()
	} else {
		c.DisableColor()
	}
	return styled(c.Sprint(shown(text)))
}

// colours reports whether a stream takes them: it is a terminal, and NO_COLOR is
// unset.
func (s streams) colours(stream io.Writer) bool {
	return terminal(stream) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// note prints one line of progress.
func (s streams) note(format string, args ...any) {
	printTo(s.err, shown, format+"\n", args...)
}

func (s streams) warn(format string, args ...any) {
	s.note("%s %s", s.paint(color.FgYellow, "warning:"), fmt.Sprintf(format, args...))
}

// fail prints an error and, when there is one, the way out of it.
func (s streams) fail(err error, hint string) {
	s.note("%s %v", s.paint(color.FgRed, "error:"), err)
	if hint != "" {
		s.note("%s %s", s.paint(color.FgCyan, "hint:"), hint)
	}
}

// invalid prints every error of a configuration and counts them.
func (s streams) invalid(errs schema.Errors) {
	for _, e := range errs {
		s.note("%s %s", s.paint(color.FgRed, "error:"), e.Error())
		if e.Why != "" {
			s.note("  why: %s", e.Why)
		}
		if e.Hint != "" {
			s.note("  %s %s", s.paint(color.FgCyan, "hint:"), e.Hint)
		}
		for _, p := range e.Related {
			s.note("  see: %s", p)
		}
	}
	s.note("%s; nothing was changed", plural(len(errs), "error"))
	s.more(errs)
}

// more says how to learn more about findings, in one line.
func (s streams) more(findings schema.Errors) {
	const most = 4
	var subjects []string
	for _, e := range findings {
		if on := explainedBy(e); on != "" && !slices.Contains(subjects, on) {
			subjects = append(subjects, on)
		}
		if len(subjects) == most {
			break
		}
	}
	switch len(subjects) {
	case 0:
	case 1:
		s.note("more: shipit explain %s", subjects[0])
	default:
		s.note("more: shipit explain %s (or %s)", subjects[0], strings.Join(subjects[1:], ", "))
	}
}

// plural counts things: "1 error", "2 errors".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
