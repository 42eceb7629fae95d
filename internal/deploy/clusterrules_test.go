package deploy

import (
	"errors"
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Whatever is found in a cluster goes by a rule that can be explained, and the
// fields that rules name are there.
func TestClusterRules(t *testing.T) {
	t.Parallel()
	rules := Rules()
	found := []apply.Finding{
		{Message: "no kind", Err: errors.New("no kind")}, {Message: "deprecated", Warning: true},
		{Err: &apply.CallError{}}, {Err: &apply.ConflictError{}}, {Err: &apply.NotOursError{}}, {Err: &apply.ForbiddenError{}},
		{Err: &apply.SourceError{}}, {Err: &apply.DeniedError{}}, {Err: &apply.InvalidError{}},
	}
	for _, code := range []apply.Code{apply.CodeQuotaExceeded, apply.CodeAdmissionDenied, apply.CodeConfigMissing, apply.CodeUnschedulable} {
		found = append(found, apply.Finding{Diagnosis: &apply.Diagnosis{Code: code}})
	}
	used := map[string]bool{}
	for _, f := range found {
		name := clusterRule(f)
		used[name] = true
		if !slices.ContainsFunc(rules, func(r rule.Rule) bool { return r.Name == name }) {
			t.Errorf("%+v goes by %s, which is no rule", f, name)
		}
	}
	for _, r := range clusterRules() {
		if !used[r.Name] {
			t.Errorf("nothing goes by %s", r.Name)
		}
	}
	for _, r := range rules {
		for _, path := range r.Fields {
			if _, err := language.Explain(path); err != nil {
				t.Errorf("%s is about %s: %v", r.Name, path, err)
			}
		}
	}
}
