package sops

import (
	"fmt"
	"strings"
)

// parseINI reads what the sops program writes: sections of names and values.
func parseINI(data []byte) ([]leaf, error) {
	c := &collector{}
	section := "DEFAULT"
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("line %d is no section", i+1)
			}
			section = strings.TrimSpace(name)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d has no =", i+1)
		}
		path := []step{{name: section}, {name: unquoted(strings.TrimSpace(name))}}
		if err := c.enter(path); err != nil {
			return nil, err
		}
		c.add(path, unquoted(strings.TrimSpace(value)))
	}
	return c.leaves, nil
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
