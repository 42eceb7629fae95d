package main

import (
	"net/url"

	"github.com/shipit-dev/shipit/schema"
)

// reference is the page of the language, which has an anchor for each rule.
const reference = "https://github.com/shipit-dev/shipit/blob/main/docs/language.md"

type object = map[string]any

func sarifText(s string) object { return object{"text": s} }

// sarif writes version 2.1.0
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). What comments
// silence is among it, as suppressed.
func (r *report) sarif() ([]byte, error) {
	rules, seen := []object{}, map[string]bool{}
	results := []object{}
	add := func(e *schema.Error, suppressions []object) {
		if id := ruleName(e); !seen[id] {
			seen[id] = true
			rules = append(rules, sarifRule(id))
		}
		result := object{"ruleId": ruleName(e), "level": level(e), "message": sarifText(explained(e))}
		if e.Pos.IsValid() {
			result["locations"] = []object{r.location(e.Pos)}
		}
		var related []object
		for _, p := range e.Related {
			related = append(related, r.location(p))
		}
		if related != nil {
			result["relatedLocations"] = related
		}
		if suppressions != nil {
			result["suppressions"] = suppressions
		}
		results = append(results, result)
	}
	for _, e := range r.Findings {
		add(e, nil)
	}
	for _, i := range r.Ignored {
		add(i.Error, []object{{"kind": "inSource", "justification": i.Reason}})
	}
	return indented(object{
		"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool":    object{"driver": object{"name": "shipit", "version": version, "informationUri": "https://github.com/shipit-dev/shipit", "rules": rules}},
			"results": results,
		}},
	})
}

// sarifRule describes a rule as explain does.
func sarifRule(id string) object {
	r, ok := ruleNamed(id)
	if !ok {
		return object{"id": id}
	}
	described := object{
		"id":                   id,
		"shortDescription":     sarifText(r.Summary),
		"fullDescription":      sarifText(r.Summary + ". " + r.Explanation),
		"helpUri":              reference + "#" + ruleAnchor(r.Name),
		"defaultConfiguration": object{"level": string(r.Severity)},
	}
	if r.Example != "" {
		described["help"] = object{"text": r.Explanation + "\n\n" + r.Example, "markdown": r.Explanation + "\n\n```cue\n" + r.Example + "\n```"}
	}
	return described
}

func level(e *schema.Error) string {
	if isWarning(e) {
		return "warning"
	}
	return "error"
}

func (r *report) location(p schema.Pos) object {
	return object{"physicalLocation": object{
		"artifactLocation": object{"uri": (&url.URL{Path: r.file(p)}).String()},
		"region":           object{"startLine": p.Line, "startColumn": p.Column},
	}}
}
