package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

const oneConfig = `package shop

import "shipit.dev/v1"

v1.#App & {
	name: "shop"
	services: web: {image: "nginx", config: app: a: file: "a", secrets: db: s: file: "s"}
}
`

// The files of a config are texts of the project, of at most 1 MiB. Those of
// secrets are not read, but are the project's too.
func TestFiles(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "secret")
	link := func(target, name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Skip(err)
			}
		}
	}
	file := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a"), text) }
	}
	for name, c := range map[string]struct {
		make func(*testing.T, string)
		want string // in the error; "" for none
	}{
		"text":            {file("hello"), ""},
		"empty":           {file(""), ""},
		"nearly too much": {file(strings.Repeat("x", 1<<20-1)), ""},
		"too much":        {file(strings.Repeat("x", 1<<20+1)), `the file "a" is larger than 1 MiB`},
		"too much by key": {file(strings.Repeat("x", 1<<20)), "services.web.config.app has 1048577 bytes, more than 1 MiB"},
		"binary":          {file("\xff\xfe"), `the file "a" is no text in UTF-8`},
		"missing":         {func(*testing.T, string) {}, `there is no file "a" in the project`},
		"folder":          {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a", "b"), "") }, `the file "a" is no regular file`},
		"pipe": {func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, "a"), 0o600); err != nil {
				t.Skip(err)
			}
		}, `the file "a" is no regular file`},
		"link outside": {link(outside, "a"), `"a" is a link to a file outside the project`},
		"link in a circle": {func(t *testing.T, dir string) {
			link("b", "a")(t, dir)
			link("a", "b")(t, dir)
		}, "a"},
		"link inside": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "b"), "hello")
			link("b", "a")(t, dir)
		}, ""},
		"secret by a link outside": {func(t *testing.T, dir string) {
			file("x")(t, dir)
			link(outside, "s")(t, dir)
		}, `"s" is a link to a file outside the project`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, oneConfig)
			c.make(t, dir)
			app, err := schema.Load(t.Context(), dir, schema.Options{})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if data, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || app.Service("web").Config[0].Data["a"] != string(data) {
					t.Errorf("the config is not the file (%v)", err)
				}
				return
			}
			var errs schema.Errors
			if !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(errs[0].Message, c.want) {
				t.Errorf("Load gave %v, want %s", err, c.want)
			}
		})
	}
}

// What is allowed but should be known is a warning.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`services: web: {image: "nginx", ports: http: 80, service: trafficDistribution: "PreferClose"}`:                                                                               `services.web.service.trafficDistribution is "PreferClose", which is the old name of "PreferSameZone"`,
		`services: web: {image: "nginx", ports: http: 80, service: trafficDistribution: "PreferClose"}, kubernetes: "1.33"`:                                                           "",
		`services: web: {image: "nginx", ports: http: 80, service: trafficDistribution: "PreferSameNode"}, kubernetes: "1.34"`:                                                        "",
		`services: web: {image: "nginx", ports: http: 80, service: trafficDistribution: "PreferSameNode"}, kubernetes: "1.33"`:                                                        `services.web.service.trafficDistribution is "PreferSameNode", which Kubernetes 1.33 has only with the feature gate PreferSameTrafficDistribution`,
		`services: web: {image: "nginx", workload: "StatefulSet", rollout: maxUnavailable: 2}`:                                                                                        "services.web.rollout.maxUnavailable does nothing unless the cluster has the feature gate MaxUnavailableStatefulSet",
		`services: web: {image: "nginx", workload: "StatefulSet", rollout: maxUnavailable: 1}`:                                                                                        "",
		`services: web: {image: "nginx", replicas: 4, resources: cpu: 1}, quota: cpu: 4`:                                                                                              `shop.cue:1:141: quota.cpu is 4: a rolling update of all services would need 5, and wait for the quota`,
		`services: web: {image: "nginx", replicas: 4, resources: cpu: 1, rollout: {maxSurge: "26%"}}, quota: pods: 5`:                                                                 `quota.pods is 5: a rolling update of all services would need 6`,
		`services: web: {image: "nginx", replicas: 4, resources: cpu: 1, rollout: {maxSurge: 0, maxUnavailable: 1}}, quota: pods: 4`:                                                  "",
		`services: web: {image: "nginx", replicas: 4, rollout: strategy: "Recreate"}, quota: pods: 4`:                                                                                 "",
		`services: web: {image: "nginx", workload: "StatefulSet", replicas: 4}, quota: pods: 4`:                                                                                       "",
		`services: web: {image: "nginx", replicas: 0}, quota: pods: 0`:                                                                                                                "",
		`services: {web: {image: "nginx", resources: memory: "1Gi"}, run: {image: "nginx", workload: "Job", resources: memory: "1Gi"}}, quota: {memory: "2Gi"}`:                       "",
		`services: web: image: "nginx", environments: prod: services: {for n, s in services {(n): replicas: 2}}`:                                                                      `this goes through the services of the environment prod alone`,
		`services: web: image: "nginx", _app: services, environments: prod: services: {for n, s in _app {(n): replicas: 2}}`:                                                          "",
		`services: web: image: "nginx", quota: "limits.memory": "1Gi"`:                                                                                                                `services.web does not say how much memory it takes, but quota.limits.memory limits that`,
		`services: {web: {image: "nginx", env: CATALOG: "http://db:8080/x"}, db: {image: "nginx", ports: http: 80}}`:                                                                  `services.web.env.CATALOG names services.db, which services.web does not call`,
		`services: {web: {image: "nginx", args: ["--db=db:5432"]}, db: {image: "nginx", ports: http: 80}}`:                                                                            `names services.db, which services.web does not call`,
		`services: {web: {image: "nginx", env: DB_HOST: "db"}, db: {image: "nginx", ports: http: 80}}`:                                                                                `services.web.env.DB_HOST names services.db`,
		`services: {web: {image: "nginx", command: ["x", "postgres://u:p@db.shop.svc.cluster.local/x"]}, db: {image: "nginx", ports: http: 80}}`:                                      `names services.db`,
		`services: {web: {image: "nginx", env: {A: "db", B: "redis://cache.example.com", C: "nodb:80", D: "db: 5", E: "https://db.other/x"}}, db: {image: "nginx", ports: http: 80}}`: "",
		`services: {web: {image: "nginx", env: DB_HOST: "db", calls: db: {}}, db: {image: "nginx", ports: http: 80}}`:                                                                 "",
		`services: {web: {image: "nginx", env: DB_HOST: "db", calls: store: service: "db"}, db: {image: "nginx", ports: http: 80}}`:                                                   "",
		`services: {web: {image: "nginx", env: DB_HOST: "db"}, db: {image: "nginx", ports: http: 80}}, network: policy: false`:                                                        "",
		`services: {web: {image: "nginx", ports: http: 80, env: OWN_URL: "http://web:80"}, db: {image: "nginx", ports: http: 80}}`:                                                    "",
		`services: web: {image: "nginx", resources: cpu: 500}`:                                                                                                                        `services.web.resources.cpu is 500 cores, which hardly any node has`,
		`services: web: {image: "nginx", resources: limits: cpu: "250"}`:                                                                                                              `services.web.resources.limits.cpu is 250 cores, which hardly any node has`,
		`services: web: {image: "nginx", resources: cpu: 96}`:                                                                                                                         "",
		`services: web: {image: "nginx", resources: cpu: "500m"}, quota: cpu: 500`:                                                                                                    "",
		`services: web: {image: "nginx", env: DB_PASSWORD: "hunter2"}`:                                                                                                                "services.web.env.DB_PASSWORD looks like a secret",
		`services: web: {image: "nginx", env: DB: "postgres://app:hunter2@db.example.com/x"}`:                                                                                         "services.web.env.DB looks like a secret",
		`services: web: {image: "nginx", args: ["--api-key=hunter2"]}`:                                                                                                                "services.web.args.0 looks like a secret",
		`services: web: {image: "nginx", config: app: token: "hunter2"}`:                                                                                                              "services.web.config.app.token looks like a secret",
		`services: web: {image: "nginx", env: {PASSWORD_FILE: "/run/x", TOKEN: "/run/token", API_KEY: "", A_TOKEN: "$(TOKEN)", DB: "postgres://app:$(TOKEN)@db.example.com"}}`:        "",
		`services: web: {image: "nginx", env: LEVEL: "{{ .Values.level }}"}`:                                                                                                          "services.web.env.LEVEL has a place that nothing fills in",
		`services: web: {image: "nginx", env: LEVEL: "${LEVEL:-info}"}`:                                                                                                               "services.web.env.LEVEL has a place that nothing fills in",
		`services: web: {image: "nginx", args: ["$LEVEL"]}`:                                                                                                                           "services.web.args.0 has a place that nothing fills in",
		`services: web: {image: "nginx", command: ["/bin/sh", "-c", "$X"], env: {A: "$(C)", C: "costs $5"}, config: app: a: "{{ $labels.x }} ${Y}"}`:                                  "",
		`services: web: {image: "nginx", config: c: a: "b", volumes: d: {mount: "/d", config: "c", mode: 440}}`:                                                                       "services.web.volumes.d.mode is 440, which is 0o670",
		`services: web: {image: "nginx", config: c: a: "b", volumes: d: {mount: "/d", config: "c", mode: 0o440}}`:                                                                     "",
		`services: web: {image: "nginx", ports: http: 80, expose: x: {host: "x.example.com", path: "/api/*"}}`:                                                                        `services.web.expose.x.path is "/api/*": a path is no pattern`,
		`services: web: {image: "nginx", autoscale: {max: 3, cpu: 80}}`:                                                                                                               `services.web.autoscale.cpu is percent of what the pods ask for, but services.web does not ask for cpu`,
		`services: web: {image: "nginx", resources: cpu: 1, autoscale: {max: 3, cpu: 80}, sidecars: s: image: "x"}`:                                                                   `services.web.autoscale.cpu is percent of what the pods ask for, but services.web.sidecars.s does not ask for cpu`,
		`services: web: {image: "nginx", resources: limits: memory: "1Gi", autoscale: {max: 3, memory: 80}}`:                                                                          "",
		`services: web: {image: "nginx", autoscale: {max: 3, cpu: "500m"}}`:                                                                                                           "",
		`services: web: {image: "nginx", autoscale: {max: 3, cpu: 80}}, limits: defaultRequest: cpu: "10m"`:                                                                           "",
		`services: web: image: "nginx", quota: "requests.nvidia.com/gpu": 1`:                                                                                                          "",
	} {
		dir := project(t, `package shop, import "shipit.dev/v1", v1.#App & {name: "shop", `+body+"}\n")
		app, err := schema.Load(t.Context(), dir, schema.Options{})
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var got []string
		for _, w := range app.Warnings {
			if w.Code != rule.StaleSchema {
				got = append(got, w.Error())
			}
		}
		if all := strings.Join(got, "\n"); want == "" && all != "" || !strings.Contains(all, want) || len(got) > 1 {
			t.Errorf("%s gives the warnings %q, want %q", body, all, want)
		}
	}
}

// What looks odd, but is right.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`services: db: {image: "nginx", workload: "StatefulSet", replicas: 3, ports: pg: 5432, calls: db: {}}`,
		`services: a: {image: "nginx", ports: http: 80, calls: b: {}}, services: b: {image: "nginx", ports: http: 80, calls: a: {}}`,
		`services: a: {image: "nginx", config: {}, secrets: {}, volumes: {}, calls: {}, needs: {}, expose: {}, rollout: {}, lifecycle: {}, pull: {}, env: {}}`,
		`services: a: {image: "nginx", config: app: {}, secrets: db: {}, volumes: {c: {mount: "/c", config: "app"}, s: {mount: "/s", secret: "db"}}}`,
		`services: a: image: "nginx", labels: {}, quota: {}, environments: {}`,
		`services: a: {image: "nginx", workload: "Job", ports: http: 80, lifecycle: terminationGracePeriodSeconds: 0}`,
		`services: a: {image: "nginx", workload: *"Deployment" | string, enabled: *true | bool}`,
		`services: a: {image: "nginx", replicas: 0, rollout: {maxSurge: "200%", maxUnavailable: "100%"}}`,
		`services: a: {image: "nginx", replicas: 3, volumes: d: {mount: "/d", size: "1Gi", accessModes: ["ReadWriteOnce", "ReadWriteMany"]}}`,
		`services: kubernetes: {image: "nginx", ports: http: 80}`,
	} {
		if _, err := schema.Load(t.Context(), project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", "+body+"}\n"), schema.Options{}); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A secret that somebody wrote in CUE after all is in no error, nor in CUE's own
// words.
func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`"hunter2"`, `"hunter2" & "hunter2b"`, `{env: "hunter2 x"}`, `{existing: "hunter2"}`, `{env: "hunter2"} & "hunter2"`,
		`["hunter2"]`, `"hunter2-\(nothing.x)", nothing: {}`, `{env: =~"^hunter2"}`, `{env: "x" & =~"^hunter2"}`, `error("hunter2")`, `"hunter2" | "hunter2b"`,
	} {
		dir := project(t, "package shop\nimport \"shipit.dev/v1\"\nv1.#App & {\n\tname: \"shop\"\n\tservices: web: {image: \"nginx\", secrets: db: {password: "+value+"}}\n}\n")
		_, err := schema.Load(t.Context(), dir, schema.Options{})
		var errs schema.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: Load gave %v", value, err)
		}
		for _, e := range errs {
			if strings.Contains(e.Text()+e.Raw, "hunter2") {
				t.Errorf("%s: it is in %s\n%s", value, e.Text(), e.Raw)
			}
		}
	}
}
