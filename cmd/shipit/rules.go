package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// allRules are those of the language, of images, of clusters and of Kubernetes, by
// name.
func allRules() []rule.Rule {
	rules := append(rule.All(), deploy.Rules()...)
	for _, r := range openapi.Rules() {
		rules = append(rules, rule.Rule{
			Name: r.Name, Severity: rule.Severity(r.Severity), Silenceable: true,
			Summary: strings.ToUpper(r.Summary[:1]) + r.Summary[1:], Explanation: r.Why, Example: r.Example,
		})
	}
	slices.SortFunc(rules, func(a, b rule.Rule) int { return cmp.Compare(a.Name, b.Name) })
	return rules
}

// ruleNamed gives a rule by the name that a finding has: that of a policy is
// "policy/NAME".
func ruleNamed(name string) (rule.Rule, bool) {
	rules := allRules()
	group, _, _ := strings.Cut(name, "/")
	i := slices.IndexFunc(rules, func(r rule.Rule) bool { return r.Name == name })
	if i < 0 {
		i = slices.IndexFunc(rules, func(r rule.Rule) bool { return r.Name == group })
	}
	if i < 0 {
		return rule.Rule{}, false
	}
	return rules[i], true
}

// explainedBy is what to ask explain for about a finding: the field, when its value
// alone is wrong, or the rule.
func explainedBy(e *schema.Error) string {
	path := e.Path
	switch ruleName(e) {
	case rule.UnknownField:
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
		fallthrough
	case rule.WrongValue, rule.MissingField:
		if f, err := language.Explain(path); err == nil && f.Path != "" {
			return f.Path
		}
	}
	if r, ok := ruleNamed(ruleName(e)); ok {
		return rulePrefix + r.Name
	}
	return ""
}

// ruleAnchor is where the reference of the language has a rule.
func ruleAnchor(name string) string { return "rule-" + strings.ReplaceAll(name, "/", "-") }
