package language_test

import (
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Every rule says what it is about, and the fields that it names are there and
// name it in turn.
func TestFieldsOfRules(t *testing.T) {
	t.Parallel()
	for _, r := range rule.All() {
		if r.Summary == "" || r.Explanation == "" {
			t.Errorf("%s explains nothing: %+v", r.Name, r)
		}
		for _, path := range r.Fields {
			f, err := language.Explain(path)
			if err != nil {
				t.Errorf("%s is about %s: %v", r.Name, path, err)
				continue
			}
			if !slices.Contains(f.Rules, r.Name) {
				t.Errorf("%s is about %s, which has %v", r.Name, path, f.Rules)
			}
		}
	}
}
