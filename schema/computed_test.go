package schema_test

import (
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// A name that is put together of parts is a word of the language all the same, and
// its values are checked.
func TestComputedWords(t *testing.T) {
	t.Parallel()
	load := func(body string) (*schema.App, error) {
		return schema.Load(t.Context(), project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", services: web: {image: \"nginx\", "+body+"}}\n"), schema.Options{})
	}
	app, err := load(`"auto\("scale")": {"m\("a")x": 3, cpu: 80}`)
	if err != nil {
		t.Fatal(err)
	}
	if a := app.Service("web").Autoscale; a == nil || a.Max != 3 || a.CPU == nil {
		t.Errorf("autoscale is %+v", a)
	}
	for body, want := range map[string]string{
		`"auto\("scale")": {"m\("a")x": "3", cpu: 80}`: `services.web.autoscale.max must be a whole number`,
		`"auto\("scales")": {}`:                        `unknown field "autoscales" in services.web`,
		`"auto\("scale")": {max: 3, cp: 80}`:           `unknown field "cp" in services.web.autoscale`,
	} {
		if _, err := load(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %s", body, err, want)
		}
	}
}
