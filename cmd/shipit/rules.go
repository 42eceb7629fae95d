package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/schema"
)

// allRules are those of the language and those of Kubernetes, by name.
func allRules() []schema.Rule {
	rules := schema.Rules()
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
	name, _, _ = strings.Cut(name, "/")
	rules := allRules()
	i := slices.IndexFunc(rules, func(r schema.Rule) bool { return r.Name == name })
	if i < 0 {
		return schema.Rule{}, false
	}
	return rules[i], true
}
