package sops

import (
	"fmt"
	"strings"
)

// parseINI reads what the sops program writes: sections of names and values. A
// value of several lines is between marks, as sops 3.13.0 to 3.13.2 write keys.
func parseINI(data []byte) ([]leaf, error) {
	c := &collector{}
	section := "DEFAULT"
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		number, line := i+1, strings.TrimSpace(lines[i])
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("line %d is no section", number)
			}
			section = strings.TrimSpace(name)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d has no =", number)
		}
		value = strings.TrimSpace(value)
		if mark := opens(value); mark != "" {
			more, n := upTo(mark, lines[i+1:])
			if n == 0 {
				return nil, fmt.Errorf("line %d begins a value that does not end", number)
			}
			// The first line's own spaces are of the value, at its end.
			_, first, _ := strings.Cut(lines[i], mark)
			value, i = mark+first+"\n"+more+mark, i+n
		}
		path := []step{{name: section}, {name: unquoted(strings.TrimSpace(name))}}
		if err := c.enter(path); err != nil {
			return nil, err
		}
		c.add(path, unquoted(value))
	}
	return c.leaves, nil
}

// opens gives the mark of a value that begins and does not end in its line, or "".
func opens(value string) string {
	for _, mark := range []string{`"""`, "`"} {
		if rest, ok := strings.CutPrefix(value, mark); ok && !strings.Contains(rest, mark) {
			return mark
		}
	}
	return ""
}

// upTo gives what comes before a mark, and in how many lines; 0 when it is not there.
func upTo(mark string, lines []string) (text string, n int) {
	for i, line := range lines {
		if at := strings.LastIndex(line, mark); at >= 0 {
			return strings.Join(append(lines[:i:i], line[:at]), "\n"), i + 1
		}
	}
	return "", 0
}

// unquoted takes off the marks that values with special characters are written in.
func unquoted(s string) string {
	for _, mark := range []string{`"""`, "`", `"`} {
		if len(s) >= 2*len(mark) && strings.HasPrefix(s, mark) && strings.HasSuffix(s, mark) {
			return s[len(mark) : len(s)-len(mark)]
		}
	}
	return s
}
