package schema_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"cuelang.org/go/mod/modregistrytest"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shipit-dev/shipit/schema"
)

// The module of a platform team, in two versions, and one that needs it.
const platform = `
-- example.com_platform_v0.1.0/cue.mod/module.cue --
module: "example.com/platform@v0"
language: version: "v0.14.0"
-- example.com_platform_v0.1.0/platform.cue --
package platform

#Hardened: {
	replicas: *2 | int
	resources: {cpu: *"50m" | string, memory: *"64Mi" | string}
	...
}
labels: team: "checkout"
policies: bounded: {
	kinds: ["Deployment"]
	rule: spec: replicas: <=3
	message: "ask the platform team for more than 3"
}
-- example.com_platform_v0.1.0/web/web.cue --
package web

import "example.com/platform"

#Web: platform.#Hardened & {ports: http: 8080, probes: readiness: http: "/"}
-- example.com_platform_v0.1.0/wrong/wrong.cue --
package wrong

service: {
	image:    "nginx"
	replicas: "many"
}
-- example.com_platform_v0.2.0/cue.mod/module.cue --
module: "example.com/platform@v0"
language: version: "v0.14.0"
-- example.com_platform_v0.2.0/platform.cue --
package platform

labels: team: "platform"
-- example.com_bomb_v0.1.0/cue.mod/module.cue --
module: "example.com/bomb@v0"
language: version: "v0.14.0"
-- example.com_bomb_v0.1.0/bomb.cue --
package bomb

import "strings"

_n: strings.Split(strings.Repeat("a,", 40), ",")
size: len([for a in _n for b in _n for c in _n if a+b+c == "b" {a}])
-- example.com_deep_v0.1.0/cue.mod/module.cue --
module: "example.com/deep@v0"
language: version: "v0.14.0"
-- example.com_deep_v0.1.0/deep.cue --
package deep

a: DEEP
`

// files makes a file system of an archive.
func files(text string) fs.FS {
	tree := fstest.MapFS{}
	text = strings.ReplaceAll(text, "DEEP", strings.Repeat("[", 6000)+strings.Repeat("]", 6000))
	for _, f := range txtar.Parse([]byte(text)).Files {
		tree[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return tree
}

// moduleRegistry serves the modules of an archive, and gives its host.
func moduleRegistry(t *testing.T, text string) string {
	t.Helper()
	r, err := modregistrytest.New(files(text), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.Host()
}

// moduleEnv is an environment with an empty cache and no logins.
func moduleEnv(t *testing.T, registry string, more ...string) []string {
	t.Helper()
	home := t.TempDir()
	t.Cleanup(func() { // the cache's folders cannot be written
		_ = filepath.WalkDir(home, func(path string, e fs.DirEntry, _ error) error {
			if e != nil && e.IsDir() {
				return os.Chmod(path, 0o700)
			}
			return nil
		})
	})
	return append([]string{
		"HOME=" + home, "CUE_CACHE_DIR=" + filepath.Join(home, "cache"), "CUE_CONFIG_DIR=" + filepath.Join(home, "config"), "CUE_REGISTRY=" + registry,
	}, more...)
}

// dependent is a project that depends on a module.
func dependent(t *testing.T, module, version, text string) string {
	t.Helper()
	return extract(t, txtar.Parse(fmt.Appendf(nil, "-- cue.mod/module.cue --\nmodule: \"example.com/shop@v0\"\nlanguage: version: \"v0.14.0\"\ndeps: %q: {\n\tv: %q\n}\n-- shop.cue --\n%s", module, version, text)))
}

const usesPlatform = `package shop

import (
	"shipit.dev/v1"
	"example.com/platform"
	"example.com/platform/web"
)

v1.#App & {
	name:   "shop"
	labels: platform.labels
	policy: platform.policies
	services: front: web.#Web & {image: "nginx", replicas: 4}
}
`

// An App of parts that a platform team has published.
func TestModules(t *testing.T) {
	t.Parallel()
	dir := dependent(t, "example.com/platform@v0", "v0.1.0", usesPlatform)
	env := moduleEnv(t, moduleRegistry(t, platform))
	app, err := schema.Load(t.Context(), dir, schema.Options{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	front := app.Service("front")
	if front.Replicas != 4 || front.Resources.Requests["memory"] != "64Mi" || front.Ports[0].Port != 8080 || app.Labels["team"] != "checkout" {
		t.Errorf("front is %+v, the labels are %v", front, app.Labels)
	}
	if got := app.Position("services.front.resources.memory").String(); got != "example.com/platform@v0.1.0/platform.cue:5:44" {
		t.Errorf("resources.memory was found at %s", got)
	}
	broken := app.CheckPolicies("front", []map[string]any{{"kind": "Deployment", "metadata": map[string]any{"name": "front"}, "spec": map[string]any{"replicas": 4}}})
	want := "shop.cue:13:19: the Deployment \"front\" breaks the policy bounded\n    spec.replicas is 4, but must be <=3\n    also: example.com/platform@v0.1.0/platform.cue:9:11\n    hint: ask the platform team for more than 3"
	if len(broken) != 1 || broken[0].Text() != want {
		t.Errorf("the policy says %v\nwant %s", broken[0].Text(), want)
	}

	// What is in the cache needs no registry.
	if _, err := schema.LoadAll(t.Context(), dir, schema.Options{Env: append(env, "CUE_REGISTRY=127.0.0.1:1")}); err != nil {
		t.Errorf("without the registry: %v", err)
	}
}

// What is wrong inside of a module is told with its place there.
func TestModuleErrors(t *testing.T) {
	t.Parallel()
	host := moduleRegistry(t, platform)
	for name, c := range map[string]struct{ module, text, want string }{
		"value": {"example.com/platform@v0", `import "example.com/platform/wrong"
v1.#App & {name: "shop", services: web: wrong.service}`, "example.com/platform@v0.1.0/wrong/wrong.cue:5:12: services.web.replicas must be"},
		"conflict": {"example.com/platform@v0", `import "example.com/platform"
v1.#App & {name: "shop", labels: platform.labels, labels: team: "web", services: web: image: "nginx"}`, "shop.cue:4:65: labels.team is both \"web\" and \"checkout\"\n    CUE combines what is said about a field; it never overrides\n    also: example.com/platform@v0.1.0/platform.cue:8:15\n"},
		"deep": {"example.com/deep@v0", `import "example.com/deep"
v1.#App & {name: deep.a, services: web: image: "nginx"}`, "example.com/deep@v0.1.0/deep.cue:3:5002: this file is nested too deep here"},
		"no module": {"example.com/platform@v0", `import "example.org/lib"
v1.#App & {name: "shop", services: web: lib.x}`, "shop.cue:3:8: there is no package \"example.org/lib\"\n    it is neither in this project (example.com/shop), nor in a module that cue.mod/module.cue names in deps\n    hint: to add the module that has it, run `cue mod tidy`, with the registry in CUE_REGISTRY"},
		"no package": {"example.com/platform@v0", `import "example.com/platform/webb"
v1.#App & {name: "shop", services: web: webb.x}`, "shop.cue:3:8: there is no package \"example.com/platform/webb\"\n    the module example.com/platform v0.1.0 has no CUE in webb\n    also: cue.mod/module.cue:4:5\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dependent(t, c.module, "v0.1.0", "package shop\nimport \"shipit.dev/v1\"\n"+c.text)
			env := moduleEnv(t, host)
			_, err := schema.Load(t.Context(), dir, schema.Options{Env: env})
			told(t, err, c.want, dir, env)
		})
	}
}

// told checks the first of several errors, and that none names a folder of this
// machine.
func told(t *testing.T, err error, want, dir string, env []string) {
	t.Helper()
	var errs schema.Errors
	if !errors.As(err, &errs) || len(errs) != 1 {
		t.Fatalf("Load gave %v, want one error", err)
	}
	text := errs[0].Text()
	jargon(t, text)
	if !strings.HasPrefix(text, want) || strings.Contains(text, dir) || strings.Contains(text, strings.TrimPrefix(env[0], "HOME=")) {
		t.Errorf("Load says\n%s\nwant\n%s", text, want)
	}
}

// A bomb in a module ends as one in the project does.
func TestModuleBomb(t *testing.T) {
	t.Parallel()
	dir := dependent(t, "example.com/bomb@v0", "v0.1.0", "package shop\nimport (\"shipit.dev/v1\", \"example.com/bomb\")\nv1.#App & {name: \"shop\", services: web: {image: \"nginx\", replicas: bomb.size}}\n")
	_, err := schema.Load(t.Context(), dir, schema.Options{Env: moduleEnv(t, moduleRegistry(t, platform)), Limits: schema.Limitations{Time: 100 * time.Millisecond}})
	var limit *schema.LimitError
	if !errors.As(err, &limit) || limit.What != "time" {
		t.Errorf("Load gave %v", err)
	}
}

// What keeps a module from being fetched.
func TestModuleFetch(t *testing.T) {
	t.Parallel()
	good := moduleRegistry(t, platform)
	guarded := moduleRegistry(t, platform+`
-- auth.json --
{"username": "team", "password": "secret"}
`)
	var asked atomic.Int32
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(broken.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refusing.Close()
	login := func(password string) string {
		return `DOCKER_AUTH_CONFIG={"auths": {"` + guarded + `": {"username": "team", "password": "` + password + `"}}}`
	}
	nowhere := filepath.Join(t.TempDir(), "file")
	write(t, nowhere, "no folder")
	const at = "cue.mod/module.cue:4:5: "
	for name, c := range map[string]struct {
		module, version, registry, more, want string
	}{
		"good":     {"platform", "v0.1.0", good, "", ""},
		"login":    {"platform", "v0.1.0", guarded, login("secret"), ""},
		"version":  {"platform", "v0.9.0", good, "", at + "the module example.com/platform has no version v0.9.0 in the registry " + good + "\n    also: shop.cue:5:2\n    also: shop.cue:6:2\n    hint: the latest is v0.2.0: run `cue mod get example.com/platform@v0.2.0`"},
		"module":   {"platform", "v0.1.0", moduleRegistry(t, ""), "", at + "the registry HOST has no module example.com/platform\n    CUE_REGISTRY says which registry has which modules\n    also: shop.cue:5:2\n    also: shop.cue:6:2\n    hint: correct the module's path, or name the registry that has it in CUE_REGISTRY"},
		"none":     {"platform", "v0.1.0", "none", "", at + "CUE_REGISTRY names no registry for the module example.com/platform\n"},
		"nonsense": {"platform", "v0.1.0", "!!", "", at + "CUE_REGISTRY is not understood: "},
		"guarded":  {"platform", "v0.1.0", guarded, "", at + "the registry HOST does not let you read the module example.com/platform@v0.1.0\n    it needs a login that may read it; those of docker (DOCKER_CONFIG) and of cue are used\n    also: shop.cue:5:2\n    also: shop.cue:6:2\n    hint: log in: docker login HOST, or cue login HOST"},
		"wrong":    {"platform", "v0.1.0", guarded, login("wrong"), at + "the registry HOST does not let you read"},
		"logins":   {"platform", "v0.1.0", guarded, "DOCKER_AUTH_CONFIG={", at + "the logins of registries cannot be read: "},
		"refused":  {"platform", "v0.1.0", refusing.Addr().String(), "", at + "the module example.com/platform@v0.1.0 cannot be fetched: the registry HOST refuses the connection\n    CUE_REGISTRY says which registry has which modules\n    also: shop.cue:5:2\n    also: shop.cue:6:2\n    hint: check CUE_REGISTRY and the network; once a module is in the cache, neither is needed"},
		"silent":   {"platform", "v0.1.0", silent.Addr().String(), "", at + "the module example.com/platform@v0.1.0 cannot be fetched: the registry HOST does not answer\n"},
		"no host":  {"platform", "v0.1.0", "registry.invalid", "", at + "the module example.com/platform@v0.1.0 cannot be fetched: there is no host registry.invalid\n"},
		"no TLS":   {"platform", "v0.1.0", good + "+secure", "", at + "the module example.com/platform@v0.1.0 cannot be fetched: the registry HOST does not speak HTTPS\n    CUE_REGISTRY says which registry has which modules\n    also: shop.cue:5:2\n    also: shop.cue:6:2\n    hint: write CUE_REGISTRY=HOST+insecure for one without TLS"},
		"broken":   {"platform", "v0.1.0", strings.TrimPrefix(broken.URL, "http://"), "", at + "the module example.com/platform@v0.1.0 cannot be fetched: the registry HOST fails with 502 Bad Gateway\n"},
		"cache":    {"platform", "v0.1.0", good, "CUE_CACHE_DIR=" + nowhere, at + "the module example.com/platform@v0.1.0 cannot be kept in the cache: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dependent(t, "example.com/"+c.module+"@v0", c.version, usesPlatform)
			env := moduleEnv(t, c.registry)
			if c.more != "" {
				env = append(env, c.more)
			}
			start := time.Now()
			_, err := schema.LoadAll(t.Context(), dir, schema.Options{Env: env})
			if c.want == "" {
				if err != nil {
					t.Errorf("LoadAll gave %v", err)
				}
				return
			}
			var errs schema.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("LoadAll gave %v", err)
			}
			host := strings.TrimSuffix(c.registry, "+secure")
			told(t, errs[:1], strings.ReplaceAll(c.want, "HOST", host), dir, env)
			if d := time.Since(start); d > 15*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
	t.Cleanup(func() {
		if n := asked.Load(); n > 8 {
			t.Errorf("a registry that fails was asked %d times", n)
		}
	})
}

// A project that has all it needs asks for no registry, and a library that names
// none reads none.
func TestNoModules(t *testing.T) {
	t.Parallel()
	if _, err := schema.LoadAll(t.Context(), project(t, strings.ReplaceAll(oneConfig, "config: app: a: file: \"a\", secrets: db: s: file: \"s\"", "")), schema.Options{Env: []string{"CUE_REGISTRY=!!"}}); err != nil {
		t.Errorf("without modules LoadAll gave %v", err)
	}
	_, err := schema.Load(t.Context(), dependent(t, "example.com/platform@v0", "v0.1.0", usesPlatform), schema.Options{})
	if want := "cue.mod/module.cue:4:5: the module example.com/platform@v0.1.0 is not read: no modules are read from a registry here"; err == nil || err.Error() != want {
		t.Errorf("Load gave %v", err)
	}
}
