package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

const shop = `package shop

import "shipit.dev/v1"

v1.#App & {
	name:     "shop"
	registry: *"dev.example.com/shop" | string
	environment: string
	labels: team: "shop"

	services: web: {
		image:    "nginx"
		replicas: *2 | int
		env: {
			REPLICAS: "\(services.web.replicas)"
			REGISTRY: registry
			NAME:     environment
			STORE:    "\(services.store.volumes.data.size)"
		}
		config: app: level: *"debug" | string
	}
	services: store: {
		workload: "StatefulSet"
		image:    "postgres"
		volumes: data: {mount: "/data", size: *"1Gi" | string}
	}
	services: debug: {image: "busybox", enabled: *true | bool}
	if environment == "prod" {
		services: web: args: ["--prod"]
	}

	environments: prod: {
		context:   "prod-eu"
		namespace: "shop-prod"
		registry:  "prod.example.com/shop"
		labels: tier: "prod"
		quota: pods: 40
		services: {
			web: {replicas: 5, config: app: level: "info", env: EXTRA: "1"}
			store: volumes: data: size: "10Gi"
			debug: enabled: false
			backup: {workload: "Job", image: "backup"}
		}
	}
	environments: dev: {}
}
`

// What an environment says is part of the App before anything is evaluated:
// whatever refers to a value sees the environment's.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	dir := project(t, shop)
	app, err := schema.Load(t.Context(), dir, schema.Options{Environment: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if app.Environment != "prod" || app.Context != "prod-eu" || app.Namespace != "shop-prod" || app.Registry != "prod.example.com/shop" {
		t.Errorf("environment %q, context %q, namespace %q, registry %q", app.Environment, app.Context, app.Namespace, app.Registry)
	}
	if len(app.Labels) != 2 || app.Labels["tier"] != "prod" || app.Quota["pods"] != "40" {
		t.Errorf("labels %v, quota %v", app.Labels, app.Quota)
	}
	var names []string
	for _, s := range app.Services {
		names = append(names, s.Name)
	}
	if want := []string{"backup", "store", "web"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	web := app.Service("web")
	if web.Replicas != 5 || web.Config[0].Data["level"] != "info" || !slices.Equal(web.Args, []string{"--prod"}) {
		t.Errorf("web has %+v", web)
	}
	for _, v := range web.Env {
		want := map[string]string{"REPLICAS": "5", "REGISTRY": "prod.example.com/shop", "NAME": "prod", "STORE": "10Gi", "EXTRA": "1"}[v.Name]
		if v.Value != want {
			t.Errorf("%s is %q, want %q", v.Name, v.Value, want)
		}
	}
	for path, want := range map[string]string{
		"namespace":                 "shop.cue:34:14",
		"environments.prod.context": "shop.cue:33:14",
		"services.web":              "shop.cue:11:12",
		"services.web.replicas":     "shop.cue:39:20",
		"services.web.image":        "shop.cue:12:13",
		"services.web.env.EXTRA":    "shop.cue:39:63",
		"services.backup.image":     "shop.cue:42:37",
		"labels.tier":               "shop.cue:36:17",
		"quota.pods":                "shop.cue:37:16",
	} {
		if got := app.Position(path).String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}

	app, err = schema.Load(t.Context(), dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if app.Environment != "" || app.Context != "" || app.Namespace != "shop" || app.Service("web").Replicas != 2 ||
		app.Service("debug") == nil || app.Service("backup") != nil || app.Quota != nil {
		t.Errorf("without an environment it is %+v", app)
	}
}

func TestUnknownEnvironment(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]string{
		"prd":        `did you mean "prod"?`,
		"production": "the environments are dev, prod",
	} {
		_, err := schema.Load(t.Context(), project(t, shop), schema.Options{Environment: name})
		var unknown *schema.UnknownEnvironmentError
		if !errors.As(err, &unknown) {
			t.Fatalf("Load gave %v, want an UnknownEnvironmentError", err)
		}
		if unknown.Name != name || !slices.Equal(unknown.Known, []string{"dev", "prod"}) || unknown.Hint() != hint {
			t.Errorf("%q: %+v, hint %s", name, unknown, unknown.Hint())
		}
	}
	_, err := schema.Load(t.Context(), project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", services: web: image: \"nginx\"}"),
		schema.Options{Environment: "prod"})
	var unknown *schema.UnknownEnvironmentError
	if !errors.As(err, &unknown) || len(unknown.Known) != 0 || !strings.Contains(unknown.Hint(), "has no environments") {
		t.Errorf("Load gave %v, want an UnknownEnvironmentError", err)
	}
}

// Environments may be made by anything that CUE has.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`services: web: image: "nginx"`:                                                                                                            "",
		`services: web: image: "nginx", environments: {prod: {}, dev: {}}`:                                                                         "dev prod",
		`services: web: image: "nginx", environments: {for n in ["b", "a"] {(n): services: web: replicas: 3}}`:                                     "a b",
		`services: {web: image: "nginx", api: image: "nginx"}, environments: {for n, _ in services {(n): context: "\(services[n].image)"}, z: {}}`: "api web z",
		`services: web: image: string @tag(image), environments: prod: namespace: "x-\(services.web.image)"`:                                       "prod",
		`services: web: image: "nginx:\(strings.ToLower("A"))", environments: prod: #prod` + "\n" + `#prod: {services: web: replicas: 2, ...}`:     "prod",
	} {
		dir := project(t, "package shop\nimport (\"shipit.dev/v1\", \"strings\")\n_x: strings.ToUpper(\"a\")\nv1.#App & {\nname: \"shop\"\n"+body+"\n}\n")
		var tags []string
		if strings.Contains(body, "@tag") {
			tags = []string{"image=nginx"}
		}
		got, err := schema.Environments(t.Context(), dir, schema.Options{Tags: tags})
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", body, got, err, want)
		}
		for _, name := range got {
			if _, err := schema.Load(t.Context(), dir, schema.Options{Tags: tags, Environment: name}); err != nil {
				t.Errorf("%s: Load of %s gave %v", body, name, err)
			}
		}
	}
	if _, err := schema.Environments(t.Context(), project(t, "package shop\nname: nope\n"), schema.Options{}); err == nil {
		t.Error("Environments of a broken project gave no error")
	}
}

func TestLoadAll(t *testing.T) {
	t.Parallel()
	apps, err := schema.LoadAll(t.Context(), project(t, shop), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(apps) != 2 || apps[0].Environment != "dev" || apps[1].Environment != "prod" || apps[1].Service("web").Replicas != 5 {
		t.Errorf("LoadAll gave %+v", apps)
	}
	apps, err = schema.LoadAll(t.Context(), project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", services: web: image: \"nginx\"}"), schema.Options{})
	if err != nil || len(apps) != 1 || apps[0].Environment != "" {
		t.Errorf("LoadAll of an App without environments gave %+v, %v", apps, err)
	}
}

// An environment may speak of all services, and be an alternative.
func TestEnvironmentPatterns(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]int32{
		`services: [string]: replicas: 7`:                                             7,
		`*{services: web: replicas: 1} | {services: web: replicas: 3}`:                1,
		`v1.#Environment & {services: web: v1.#Service & {replicas: 4}}`:              4,
		`close({services: web: replicas: 5})`:                                         5,
		`{services: {for n in ["web"] {(n): replicas: 6}}, if true {labels: a: "b"}}`: 6,
	} {
		dir := project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {\nname: \"shop\", services: web: {image: \"nginx\", replicas: *2 | int}\nenvironments: prod: "+env+"\n}\n")
		app, err := schema.Load(t.Context(), dir, schema.Options{Environment: "prod"})
		if err != nil {
			t.Errorf("%s: %v", env, err)
		} else if got := app.Service("web").Replicas; got != want {
			t.Errorf("%s gives %d replicas, want %d", env, got, want)
		}
	}
}

// Environments may be in files of their own.
func TestEnvironmentInItsOwnFile(t *testing.T) {
	t.Parallel()
	dir := extract(t, txtar.Parse([]byte(`
-- shop.cue --
package shop
import "shipit.dev/v1"
v1.#App
name: "shop"
services: web: {image: "nginx", replicas: *1 | int}
-- prod.cue --
package shop
environments: prod: services: web: replicas: 4
`)))
	app, err := schema.Load(t.Context(), dir, schema.Options{Environment: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if got := app.Position("services.web.replicas").String(); app.Service("web").Replicas != 4 || got != "prod.cue:2:46" {
		t.Errorf("%d replicas, at %s", app.Service("web").Replicas, got)
	}
}
