package schema_test

import (
	"context"
	"errors"
	"flag"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

// FuzzLoad gives Load any file of a package, any file that it imports, any file of
// objects, and any tag: it must end in an App or in errors that say something,
// with places that exist.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	// Without fuzzing, TestErrors has loaded most of them: left are those for which
	// LoadAll does something else.
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	for _, seed := range append(seeds, "testdata/full.txtar") {
		archive := must(txtar.ParseFile(seed))
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, "shop.cue") && (fuzzing || strings.Contains(string(file.Data), "environments")) {
				f.Add(string(file.Data), "package team\n", "", directive(archive, "tags"))
			}
		}
	}
	for _, seed := range fuzzSeeds {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, text, imported, objects, tag string) {
		dir := extract(t, txtar.Parse(nil))
		write(t, filepath.Join(dir, "shop.cue"), text)
		write(t, filepath.Join(dir, "team", "team.cue"), imported)
		write(t, filepath.Join(dir, "objects.yaml"), objects)
		// A fuzzer ends a worker that takes ten seconds for one input, and then says
		// that it hung: all of this is over before.
		opts := schema.Options{Limits: schema.Limitations{Time: 2 * time.Second}}
		if tag != "" {
			opts.Tags = []string{tag}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		defer ended(t)
		app, err := schema.Load(ctx, dir, opts)
		lines := strings.Count(text, "\n") + strings.Count(imported, "\n") + strings.Count(objects, "\n") + 1
		sound(t, lines, err, app)
		if !strings.Contains(text+imported, "_|_") && err != nil && strings.Contains(err.Error(), "_|_") {
			t.Errorf("CUE's words in %v", err)
		}
		if limit := new(schema.LimitError); errors.As(err, &limit) || ctx.Err() != nil {
			return // the rest would go beyond it, too
		}
		apps, err := schema.LoadAll(ctx, dir, opts)
		sound(t, lines, err, apps...)
		if names, err := schema.Environments(ctx, dir, opts); err == nil && len(apps) > 0 && len(names) != len(apps) && len(names) > 0 {
			t.Errorf("%d Apps for the environments %v", len(apps), names)
		}
	})
}

// fuzzSeeds are a package, one that it imports, objects and a tag.
var fuzzSeeds = [][4]string{
	{
		"package shop\n\nimport (\n\t\"shipit.dev/v1\"\n\t\"example.com/hello/team\"\n)\n\nv1.#App & {name: \"shop\", labels: team.labels, policy: team.policies, services: web: team.#Web & {image: \"nginx\"}}\n",
		"package team\n\nlabels: team: \"a\"\n#Web: {replicas: *2 | int, resources: cpu: \"1\", ...}\npolicies: small: {kinds: [\"Deployment\"], rule: spec: replicas: <3, message: \"fewer\"}\n",
		"", "",
	},
	{
		"package shop\n\nimport (\n\t\"shipit.dev/v1\"\n\t\"example.com/hello/team\"\n)\n\nteam.#App & {name: \"shop\", services: web: image: \"nginx\", environments: prod: services: web: replicas: 3}\n",
		"package team\n\nimport \"shipit.dev/v1\"\n\n#App: v1.#App & {labels: team: \"a\", services: [string]: replicas: *1 | int}\n",
		"", "",
	},
	{
		"package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: web: image: \"nginx\", objects: {raw: file: \"objects.yaml\", one: {apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"x\"}}}\n",
		"package team\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: &x \"1\", y: *x}\n---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n",
		"",
	},
	{
		"@if(prod)\npackage shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {\n\tname: \"shop\"\n\tnamespace: \"shop-\\(_pr)\"\n\t_pr: *\"0\" | string @tag(pr)\n\t_n: int @tag(n,type=int)\n\tservices: web: {image: \"nginx\", replicas: _n}\n}\n",
		"@if(!prod)\npackage team\n", "", "prod",
	},
	{
		"package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: web: {image: \"nginx\", replicas: _n}, _n: 1 | 2 @tag(n,short=one|two,type=int)}\n",
		"package team\n", "", "n=2",
	},
}

// ended waits a while for evaluations that went beyond a limit: they would take time
// and memory from the inputs that follow. One that never ends is left: the worker has
// to live with it, as CUE cannot be stopped.
func ended(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); <-tick.C {
		n := runtime.Stack(stacks, true)
		if !strings.Contains(string(stacks[:n]), "created by github.com/shipit-dev/shipit/schema.within") {
			return
		}
	}
	t.Log("an evaluation goes on beside")
}

// sound checks that a text gave an App or errors that say something.
func sound(t *testing.T, lines int, err error, apps ...*schema.App) {
	t.Helper()
	var errs schema.Errors
	var limit *schema.LimitError
	switch {
	case err == nil:
		for _, app := range apps {
			if app.Name == "" || app.Namespace == "" || len(app.Services) == 0 {
				t.Errorf("an App without name, namespace or services: %+v", app)
			}
		}
	case errors.As(err, &errs):
		for _, e := range errs {
			if e.Message == "" || e.Code == "" || e.Pos.Line > lines {
				t.Errorf("an error that says too little: %+v", e)
			}
		}
	case errors.As(err, &limit):
	case !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("Load gave %v", err)
	}
}
