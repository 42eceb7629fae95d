package schema

import (
	"slices"
	"strings"
	"sync"
)

// Severity says how much an Error matters.
type Severity string

// The severities. The zero value is an error too.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Rule is a check that the language makes.
type Rule struct {
	Name        string   `json:"name"` // as in Error.Rule; that of a policy is "policy", and its errors say "policy/NAME"
	Severity    Severity `json:"severity"`
	Summary     string   `json:"summary"`           // what it says, in one line
	Explanation string   `json:"explanation"`       // why, and what to do, in sentences
	Example     string   `json:"example,omitempty"` // of the fix, in CUE
	// Fields are the paths of what it is mostly about, as in Field.Path.
	Fields []string `json:"fields,omitempty"`
	// Silenceable rules are judgements: `// shipit:ignore RULE reason` silences
	// them. Without the others' values no object could be made.
	Silenceable bool `json:"silenceable"`

	// Kind is the code of its errors: that of a rule of the language itself, or Contradicts.
	Kind string `json:"-"`
}

// Rules gives every rule of this package, sorted by name.
func Rules() []Rule {
	return slices.Clone(rules())
}

// rules are those of the files rules_*.go.
var rules = sync.OnceValue(func() []Rule {
	all := slices.Concat(languageRules, workloadRules, networkRules, dataRules, capacityRules)
	for i := range all {
		if all[i].Severity == "" {
			all[i].Severity = SeverityError
		}
		if all[i].Kind == "" {
			all[i].Kind = Contradicts
		}
	}
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return all
})

// ruleNamed gives a rule, and whether there is one: that of a policy by the whole
// name of its errors.
func ruleNamed(name string) (Rule, bool) {
	name, _, _ = strings.Cut(name, "/")
	all := rules()
	i, ok := slices.BinarySearchFunc(all, name, func(r Rule, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Rule{}, false
	}
	return all[i], true
}
