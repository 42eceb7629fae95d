// Package rule lists what the language holds a project to. The name of a rule is
// stable: people silence findings by it.
package rule

import (
	"slices"
	"strings"
	"sync"
)

// Severity says how much it matters that a rule is broken.
type Severity string

// The severities. The zero value is an error too.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Rule is a check that the language makes.
type Rule struct {
	Name        string   `json:"name"` // as in schema.Error; that of a policy is "policy", and its errors say "policy/NAME"
	Severity    Severity `json:"severity"`
	Summary     string   `json:"summary"`           // what it says, in one line
	Explanation string   `json:"explanation"`       // why, and what to do, in sentences
	Example     string   `json:"example,omitempty"` // of the fix, in CUE
	// Fields are the paths of what it is mostly about, such as "services.probes.http".
	Fields []string `json:"fields,omitempty"`
	// Silenceable rules are judgements: `// shipit:ignore RULE reason` silences
	// them. Without the others' values no object could be made.
	Silenceable bool `json:"silenceable"`

	// Kind is the code of its errors: the name of a rule, or Contradicts.
	Kind string `json:"-"`
}

// All gives every rule of the language, sorted by name.
func All() []Rule {
	return slices.Clone(all())
}

// all are those of the other files.
var all = sync.OnceValue(func() []Rule {
	all := slices.Concat(languageRules, workloadRules, networkRules, dataRules, capacityRules)
	for i := range all {
		if all[i].Severity == "" {
			all[i].Severity = Error
		}
		if all[i].Kind == "" {
			all[i].Kind = Contradicts
		}
	}
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return all
})

// Named gives a rule, and whether there is one: that of a policy by the whole
// name of its errors.
func Named(name string) (Rule, bool) {
	name, _, _ = strings.Cut(name, "/")
	all := all()
	i, ok := slices.BinarySearchFunc(all, name, func(r Rule, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Rule{}, false
	}
	return all[i], true
}
