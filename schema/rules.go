package schema

import (
	"slices"
	"strings"
	"sync"
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

	code Code
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
		if all[i].code == "" {
			all[i].code = Contradicts
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

// ruled gives an error what follows from its rule, or the rule from its code.
func ruled(e *Error) *Error {
	if e.Rule == "" {
		e.Rule = string(e.Code)
	}
	r, _ := ruleNamed(e.Rule)
	if e.Code == "" {
		e.Code = r.code
	}
	if e.Severity == "" {
		e.Severity = r.Severity
	}
	if e.Severity == "" {
		e.Severity = SeverityError
	}
	return e
}
