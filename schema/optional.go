package schema

import (
	"fmt"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

// optional warns of fields with ? that no other place gives: they set nothing. there are
// the paths that have a value.
func (l *locator) optional(there map[string]Pos) Errors {
	var warnings Errors
	last := ""
	for _, path := range sortedKeys(l.maybe) {
		at := path
		if parts := strings.SplitN(path, ".", 4); parts[0] == "environments" && len(parts) == 4 && parts[2] == "services" {
			if parts[1] != l.environment.name {
				continue // it is for services that are not this environment's
			}
			at = "services." + parts[3]
		}
		_, given := there[at]
		inside := last != "" && strings.HasPrefix(path, last+".")
		if given || inside || ofDefinition(path) {
			continue
		}
		last = path
		warnings = append(warnings, &Error{
			Rule: rule.OptionalField, Pos: l.maybe[path], Path: path,
			Message: path + " is written with ?, and so sets nothing",
			Why:     "? says what a field must be where another place gives it, and no other does",
			Hint:    fmt.Sprintf("remove the ?: write %s: …", label(path[strings.LastIndexByte(path, '.')+1:])),
		})
	}
	return warnings
}

// ofDefinition reports whether a path is in a definition or a hidden field, which
// others take what they need from.
func ofDefinition(path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if strings.HasPrefix(part, "#") || strings.HasPrefix(part, "_") {
			return true
		}
	}
	return false
}
