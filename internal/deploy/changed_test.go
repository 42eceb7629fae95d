package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

func TestBehind(t *testing.T) {
	t.Parallel()
	built := &schema.Service{
		Build: &schema.Build{Go: "."},
		Env: []schema.EnvVar{
			{Name: "LEVEL", Value: "info"},
			{Name: "BANNER", Config: &schema.KeyRef{Name: "page", Key: "banner"}},
			{Name: "TOKEN", Secret: &schema.KeyRef{Name: "store", Key: "token"}},
		},
		Volumes: []schema.Volume{{Name: "items", Config: "catalog"}, {Name: "tokens", Secret: "all"}, {Name: "data", Claim: &schema.Claim{}}},
		Calls:   []schema.Call{{Name: "the-store", Service: "store"}},
	}
	pulled := &schema.Service{Image: "nginx"}
	const container = `.spec.template.spec.containers[name="web"]`
	for _, test := range []struct {
		service     *schema.Service
		field, want string
	}{
		{built, container + `.env[name="LEVEL"].value`, "env.LEVEL"},
		{built, container + `.env[name="LEVEL"]`, "env.LEVEL"},
		{built, container + `.env[name="BANNER"].valueFrom.configMapKeyRef.name`, "config.page.banner"},
		{built, container + `.env[name="TOKEN"].valueFrom.secretKeyRef.name`, "secrets.store.token"},
		{built, container + `.env[name="THE_STORE_URL"].value`, "calls.the-store"},
		{built, container + `.env[name="GONE"]`, ""},
		{built, container + `.image`, "build"},
		{pulled, container + `.image`, "image"},
		{built, container + `.args`, "args"},
		{built, container + `.readinessProbe.httpGet.path`, "probes.readiness"},
		{built, container + `.resources.limits.memory`, "resources"},
		{built, `.spec.template.spec.volumes[name="items"].configMap.name`, "config.catalog"},
		{built, `.spec.template.spec.volumes[name="tokens"].secret.secretName`, "secrets.all"},
		{built, `.spec.template.spec.volumes[name="data"]`, "volumes.data"},
		{built, `.spec.replicas`, "replicas"},
		{built, `.spec.template.metadata.labels.team`, ""},
	} {
		if got := behind(test.service, test.field); got != test.want {
			t.Errorf("%s: got %q, want %q", test.field, got, test.want)
		}
	}
}

// What a deploy changed is named by its line, once, in the order of the file.
func TestChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.cue"), `package app

import "shipit.dev/v1"

v1.#App & {
	name: "app"
	services: web: {
		image: "nginx"
		replicas: 2
		env: LEVEL: "info"
	}
}
`)
	if err := os.Mkdir(filepath.Join(dir, "cue.mod"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cue.mod", "module.cue"), `module: "app.example"
language: version: "v0.17.0"
`)
	app, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	places := Changed(app, "web", []string{
		`.spec.template.spec.containers[name="web"].env[name="LEVEL"].value`,
		`.spec.template.spec.containers[name="web"].args`,
		`.spec.replicas`,
		`.spec.replicas`,
		`.spec.template.spec.containers[name="web"].env[name="GONE"]`,
		`.spec.template.spec.containers[name="web"].env[name="OURS"].value`,
		`.spec.template.spec.containers[name="proxy"].env[name="OTHER"]`,
	})
	var got []string
	for _, p := range places {
		said := p.Position.String() + " " + p.Path
		if p.Removed {
			said += " removed"
		}
		got = append(got, said)
	}
	want := []string{"app.cue:9:13 services.web.replicas", "app.cue:10:3 services.web.env.GONE removed", "app.cue:10:15 services.web.env.LEVEL"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if places := Changed(app, "gone", []string{".spec.replicas"}); places != nil {
		t.Errorf("got %v for a service that is not in the CUE", places)
	}
}
