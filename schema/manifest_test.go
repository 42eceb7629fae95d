package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

// What is written in place of a manifest is right, but for what must be filled in.
func TestManifestsRewritten(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"manifest-yaml", "manifest-cue", "deployment-as-service"} {
		_, err := schema.Load(t.Context(), extract(t, must(txtar.ParseFile("testdata/errors/"+name+".txtar"))), schema.Options{})
		var errs schema.Errors
		if !errors.As(err, &errs) {
			t.Fatal(err)
		}
		for _, e := range errs {
			service, ok := strings.CutPrefix(e.Hint, "write services: ")
			if !ok {
				continue
			}
			dir := project(t, "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: "+service+"}\n")
			if _, err := schema.Load(t.Context(), dir, schema.Options{}); err != nil {
				t.Errorf("%s: %s: %v", name, e.Hint, err)
			}
		}
	}
}
