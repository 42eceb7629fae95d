package schema_test

import (
	"slices"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// Uses are the fields that are written, through names that the user chose, and of
// environments those of the chosen one.
func TestUses(t *testing.T) {
	t.Parallel()
	dir := project(t, `package shop

import "shipit.dev/v1"

v1.#App & {
	name: "shop"
	labels: "example.com/replicas": "x"
	_mount: *"/data" | string
	services: [string]: resources: cpu: *"5m" | string
	services: web: {
		image: "nginx"
		ports: http: port: 8080
		env: {config: "a text", LEVEL: config: "app/app.yaml"}
		config: app: "app.yaml": "text"
		config: app: "more.file": file: "shop.cue"
		volumes: tmp: {mount: _mount, emptyDir: {}}
	}
	environments: {
		prod: {registry: "registry.example.com", services: web: replicas: 2}
		test: context: "test"
	}
}
`)
	app, err := schema.Load(t.Context(), dir, schema.Options{Environment: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := app.Uses()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"environments", "environments.registry", "environments.services", "labels", "name", "registry", "services",
		"services.config", "services.config.file", "services.env", "services.env.config", "services.image",
		"services.ports", "services.ports.port", "services.replicas", "services.resources", "services.resources.cpu",
		"services.volumes", "services.volumes.emptyDir", "services.volumes.mount",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Uses gave %q,\nwant %q", got, want)
	}
}
