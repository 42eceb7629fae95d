package schema_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

// FuzzLoad gives Load any file: it must end in an App or in errors that say
// something, with places that exist.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range append(seeds, "testdata/full.txtar") {
		for _, file := range must(txtar.ParseFile(seed)).Files {
			if strings.HasSuffix(file.Name, "shop.cue") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := extract(t, txtar.Parse(nil))
		write(t, filepath.Join(dir, "shop.cue"), text)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		app, err := schema.Load(ctx, dir, schema.Options{})
		sound(t, text, err, app)
		apps, err := schema.LoadAll(ctx, dir, schema.Options{})
		sound(t, text, err, apps...)
		if names, err := schema.Environments(ctx, dir, schema.Options{}); err == nil && len(apps) > 0 && len(names) != len(apps) && len(names) > 0 {
			t.Errorf("%d Apps for the environments %v", len(apps), names)
		}
	})
}

// sound checks that a text gave an App or errors that say something.
func sound(t *testing.T, text string, err error, apps ...*schema.App) {
	t.Helper()
	var errs schema.Errors
	switch {
	case err == nil:
		for _, app := range apps {
			if app.Name == "" || app.Namespace == "" || len(app.Services) == 0 {
				t.Errorf("an App without name, namespace or services: %+v", app)
			}
		}
	case errors.As(err, &errs):
		lines := strings.Count(text, "\n") + 1
		for _, e := range errs {
			if e.Message == "" || e.Code == "" || e.Pos.Line > lines || strings.Contains(e.Message, "_|_") {
				t.Errorf("an error that says too little: %+v", e)
			}
		}
	case !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("Load gave %v", err)
	}
}
