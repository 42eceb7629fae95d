package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/schema"
)

// allRules are those of the language, of images, of clusters and of Kubernetes, by
// name.
func allRules() []schema.Rule {
	rules := append(schema.Rules(), deploy.Rules()...)
	for _, r := range openapi.Rules() {
		rules = append(rules, schema.Rule{
			Name: r.Name, Severity: schema.Severity(r.Severity), Silenceable: true,
			Summary: strings.ToUpper(r.Summary[:1]) + r.Summary[1:], Explanation: r.Why, Example: r.Example,
		})
	}
	slices.SortFunc(rules, func(a, b schema.Rule) int { return cmp.Compare(a.Name, b.Name) })
	return rules
}

// ruleNamed gives a rule by the name that a finding has: that of a policy is
// "policy/NAME".
func ruleNamed(name string) (schema.Rule, bool) {
	rules := allRules()
	group, _, _ := strings.Cut(name, "/")
	i := slices.IndexFunc(rules, func(r schema.Rule) bool { return r.Name == name })
	if i < 0 {
		i = slices.IndexFunc(rules, func(r schema.Rule) bool { return r.Name == group })
	}
	if i < 0 {
		return schema.Rule{}, false
	}
	return rules[i], true
}

// explainedBy is what to ask explain for about a finding: the field, when its value
// alone is wrong, or the rule.
func explainedBy(e *schema.Error) string {
	path := e.Path
	switch rule(e) {
	case schema.UnknownField:
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
		fallthrough
	case schema.WrongValue, schema.MissingField:
		if f, err := schema.Explain(path); err == nil && f.Path != "" {
			return f.Path
		}
	}
	if r, ok := ruleNamed(rule(e)); ok {
		return rulePrefix + r.Name
	}
	return ""
}

// ruleAnchor is where the reference of the language has a rule.
func ruleAnchor(name string) string { return "rule-" + strings.ReplaceAll(name, "/", "-") }
