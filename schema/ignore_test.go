package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

func TestIgnore(t *testing.T) {
	t.Parallel()
	load := func(lines ...string) (*schema.App, error) {
		return schema.Load(t.Context(), project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {\n\tname: \"shop\"\n"+strings.Join(lines, "\n")+"\n}\n"), schema.Options{})
	}
	app, err := load(
		`services: web: {`,
		`	image: "nginx"`,
		`	replicas: 3`,
		`	disruption: minAvailable: 3 // shipit:ignore drain-stuck the nodes are never drained`,
		`	permissions: all: {`,
		`		resources: ["*"]`,
		`		// It is an operator.`,
		`		// shipit:ignore wide-permission it makes anything`,
		`		verbs: ["*"]`,
		`	}`,
		`}`,
		`policy: team: {rule: metadata: labels: team: string, message: "say the team"}`,
		`// shipit:ignore policy/team it is nobody's`,
		`services: tool: image: "busybox"`,
		`// shipit:ignore quota-surg x`,
		`// shipit:ignore unknown-field x`,
		`// shipit:ignore quota-surge`,
		`// shipit:ignore`,
		`services: tool: replicas: 1 // shipit:ignored is another word`,
	)
	if err != nil {
		t.Fatal(err)
	}
	object := []map[string]any{{"kind": "Service", "metadata": map[string]any{"name": "x"}}}
	if errs := app.CheckPolicies("tool", object); len(errs) != 0 {
		t.Errorf("the policy is told: %v", errs)
	}
	if errs := app.CheckPolicies("web", object); len(errs) != 1 {
		t.Errorf("the policy is not told: %v", errs)
	}
	var ignored []string
	for _, i := range app.Ignored {
		ignored = append(ignored, i.Rule+": "+i.Reason)
	}
	slices.Sort(ignored)
	if want := []string{"drain-stuck: the nodes are never drained", "policy/team: it is nobody's", "wide-permission: it makes anything"}; !slices.Equal(ignored, want) {
		t.Errorf("ignored %q, want %q", ignored, want)
	}
	var warned []string
	for _, w := range app.Warnings {
		if w.Code != rule.StaleSchema {
			warned = append(warned, w.Error())
		}
	}
	if want := []string{
		`shop.cue:10:14: services.web.permissions.all.resources is everything`,
		`shop.cue:19:1: there is no rule quota-surg`,
		`shop.cue:20:1: the rule unknown-field cannot be silenced`,
		`shop.cue:21:1: this comment does not say why quota-surge is silenced`,
		`shop.cue:22:1: this comment does not say which rule to silence`,
	}; !slices.Equal(warned, want) {
		t.Errorf("warnings %q, want %q", warned, want)
	}
	theirs := schema.Errors{{Rule: "api-removed", Pos: schema.Pos{File: "shop.cue", Line: 8, Column: 1}, Message: "x"}}
	if len(app.Silence(theirs)) != 1 {
		t.Error("a rule was silenced by a comment about another")
	}
}

// What cannot be silenced, and what is not, is told with all else.
func TestIgnoreErrors(t *testing.T) {
	t.Parallel()
	dir := project(t, `package shop
import "shipit.dev/v1"
v1.#App & {
	name: "shop"
	services: web: {
		image: "nginx", typo: 5 // shipit:ignore unknown-field I mean it
		disruption: minAvailable: 1 // shipit:ignore drain-stuck one is enough
		calls: db: {} // shipit:ignore unknown-service it comes
		lifecycle: preStop: sleepSeconds: 60 // shipit:ignore sleep-too-long
	}
}
`)
	_, err := schema.Load(t.Context(), dir, schema.Options{})
	var errs schema.Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, e.Rule+": "+e.Why)
	}
	want := []string{
		"unknown-field: ",
		"unknown-service: the services are web; this rule cannot be silenced",
		"sleep-too-long: terminationGracePeriodSeconds is 30, and the sleep counts; the comment that should silence it says no reason",
	}
	if !slices.Equal(got, want) {
		t.Errorf("errors %q, want %q", got, want)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	rules := rule.All()
	for i, r := range rules {
		if r.Name == "" || r.Summary == "" || r.Explanation == "" || r.Severity == "" || strings.HasSuffix(r.Summary, ".") || !strings.HasSuffix(r.Explanation, ".") {
			t.Errorf("the rule %q says too little: %+v", r.Name, r)
		}
		if i > 0 && rules[i-1].Name >= r.Name {
			t.Errorf("%s is twice, or not in order", r.Name)
		}
	}
	rules[0].Name = "changed"
	if rule.All()[0].Name == "changed" {
		t.Error("the caller may change the rules")
	}
}
