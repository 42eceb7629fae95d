package deploy

import (
	"testing"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

func TestBlame(t *testing.T) {
	build := &schema.Build{Go: "."}
	app := &schema.App{Services: []*schema.Service{{
		Name: "web", Build: build,
		Env:     []schema.EnvVar{{Name: "LEVEL", Config: &schema.KeyRef{Name: "app", Key: "level"}}},
		Calls:   []schema.Call{{Name: "catalog"}},
		Volumes: []schema.Volume{{Name: "settings", Config: "app"}},
		Init:    []schema.Container{{Name: "first", Image: "busybox", Command: []string{"sh"}}},
		Sidecars: []schema.Container{{
			Name: "proxy", Image: "envoy", Args: []string{"--help"},
			Env: []schema.EnvVar{{Name: "TOKEN", Secret: &schema.KeyRef{Name: "proxy", Key: "token"}}, {Name: "MODE"}},
		}},
		Before: []schema.Task{{Container: schema.Container{Name: "migrate", Build: build, Args: []string{"migrate"}}}},
		After:  []schema.Task{{Container: schema.Container{Name: "proxy", Image: "curl"}}},
	}}}
	for _, c := range []struct {
		kind, container, field, want string
	}{
		{"Deployment", "web", "image", "build"},
		{"Deployment", "web", "command", "build"},
		{"Deployment", "web", "env.LEVEL", "config.app.level"},
		{"Deployment", "web", "env.CATALOG_URL", "calls.catalog"},
		{"Deployment", "web", "env.OTHER", "env.OTHER"},
		{"Deployment", "web", "volumes.settings", "config.app"},
		{"Deployment", "", "replicas", "replicas"},
		{"Deployment", "first", "command", "init.first.command"},
		{"Deployment", "first", "resources.memory", "init.first.resources.memory"},
		{"Deployment", "proxy", "command", "sidecars.proxy.command"},
		{"Deployment", "proxy", "image", "sidecars.proxy.image"},
		{"Deployment", "proxy", "probes.readiness", "sidecars.proxy.probes.readiness"},
		{"Deployment", "proxy", "env.TOKEN", "secrets.proxy.token"},
		{"Deployment", "proxy", "env.MODE", "sidecars.proxy.env.MODE"},
		{"Deployment", "proxy", "placement", "placement"},
		{"Job", "migrate", "command", "jobs.before.migrate.command"},
		{"Job", "migrate", "image", "build"},
		{"Job", "migrate", "security", "jobs.before.migrate.security"},
		{"Job", "proxy", "command", "jobs.after.proxy.image"},
		{"Job", "proxy", "resources", "jobs.after.proxy.resources"},
	} {
		path, _ := Blame(app, &apply.Diagnosis{Unit: "web", Object: apply.Ref{Kind: c.kind}, Container: c.container, Field: c.field})
		if want := "services.web." + c.want; path != want {
			t.Errorf("%s of %s in a %s is blamed on %s, not %s", c.field, c.container, c.kind, path, want)
		}
	}
}
