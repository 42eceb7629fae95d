package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

func TestCheckImages(t *testing.T) {
	t.Parallel()
	user := int64(101)
	fine := func(c registry.Config) registry.Inspection {
		c.Platform = "linux/amd64"
		if c.User == "" {
			c.User = "65532:65532"
		}
		if c.Entrypoint == nil {
			c.Entrypoint = []string{"/app"}
		}
		return registry.Inspection{Platforms: []string{"linux/amd64"}, Configs: []registry.Config{c}}
	}
	as := func(user string) registry.Inspection {
		found := fine(registry.Config{})
		found.Configs[0].User = user
		return found
	}
	port := []schema.Port{{Name: "http", Port: 8080}}
	for name, test := range map[string]struct {
		service schema.Service
		found   registry.Inspection
		nodes   []string
		want    []string // rule, and a part of the message, why or hint
	}{
		"fine":              {found: fine(registry.Config{Ports: []string{"8080/tcp"}}), nodes: []string{"linux/amd64"}},
		"no user":           {found: as(""), want: []string{imageRunsAsRoot, "services.web.image: app runs as root", "names no USER", "services: web: security: runAsUser: 65532"}},
		"root":              {found: as("root:root"), want: []string{imageRunsAsRoot, `USER is "root:root"`, "services: web: security: runAsNonRoot: false"}},
		"zero":              {found: as("0:1000"), want: []string{imageRunsAsRoot, `USER is "0:1000"`}},
		"group alone":       {found: as(":1000"), want: []string{imageRunsAsRoot, "names no USER"}},
		"number":            {found: as("1000")},
		"name":              {found: as("nginx"), want: []string{imageUserByName, `runs as the user "nginx", which could be root`, "services: web: security: runAsUser: N"}},
		"usual name":        {found: as("node"), want: []string{imageUserByName, "which mostly is 1000: services: web: security: runAsUser: 1000"}},
		"root is allowed":   {service: schema.Service{Security: schema.Security{AllowRoot: true}}, found: as("")},
		"other user":        {service: schema.Service{Security: schema.Security{RunAsUser: &user}}, found: as("")},
		"patched":           {service: schema.Service{Patch: []schema.Patch{{Kind: "Deployment", Data: map[string]any{"securityContext": map[string]any{"runAsUser": 1}}}}}, found: as("")},
		"no command":        {found: fine(registry.Config{Entrypoint: []string{}}), want: []string{imageNoCommand, "does not say what to run", `services: web: command: ["…"]`}},
		"args as command":   {service: schema.Service{Args: []string{"/app"}}, found: fine(registry.Config{Entrypoint: []string{}})},
		"volume":            {found: fine(registry.Config{Volumes: []string{"/data", "/tmp/x", "/var/lib/x"}}), want: []string{imageWrites, "writes to /data and /var/lib/x, where nothing is mounted", `volumes: data: {mount: "/data", emptyDir: {}}`}},
		"mounted":           {service: schema.Service{Volumes: []schema.Volume{{Name: "data", Mount: "/data/"}}}, found: fine(registry.Config{Volumes: []string{"/data/db"}})},
		"mounted below":     {service: schema.Service{Volumes: []schema.Volume{{Name: "data", Mount: "/data/db"}}}, found: fine(registry.Config{Volumes: []string{"/data"}})},
		"writable root":     {service: schema.Service{Security: schema.Security{WritableRoot: true}}, found: fine(registry.Config{Volumes: []string{"/data"}})},
		"nginx":             {service: schema.Service{Image: "docker.io/library/nginx:1.29@sha256:1"}, found: fine(registry.Config{}), want: []string{imageWrites, "/var/cache/nginx and /run"}},
		"nginx, mounted":    {service: schema.Service{Image: "nginx", Volumes: []schema.Volume{{Name: "a", Mount: "/var/cache/nginx"}, {Name: "b", Mount: "/var/run"}}}, found: fine(registry.Config{})},
		"another nginx":     {service: schema.Service{Image: "registry.example.com/nginx"}, found: fine(registry.Config{})},
		"other port":        {service: schema.Service{Ports: port}, found: fine(registry.Config{Ports: []string{"80/tcp"}}), want: []string{imagePort, "says that it listens on 80/tcp, which is none of its ports"}},
		"port by variable":  {service: schema.Service{Ports: port, Env: []schema.EnvVar{{Name: "PORT", Value: "8080"}}}, found: fine(registry.Config{Ports: []string{"80/tcp"}})},
		"other nodes":       {found: fine(registry.Config{}), nodes: []string{"linux/arm64", "linux/s390x"}, want: []string{imagePlatform, "is made for linux/amd64, and no node that it may run on is", "linux/arm64 or linux/s390x"}},
		"some nodes":        {found: fine(registry.Config{}), nodes: []string{"linux/amd64", "linux/arm64"}, want: []string{imagePlatform, "is not made for linux/arm64, as some nodes are", `placement: nodes: "kubernetes.io/arch": "amd64"`}},
		"several platforms": {found: registry.Inspection{Platforms: []string{"linux/amd64", "linux/arm/v7"}, Configs: append(as("").Configs, as("").Configs...)}, nodes: []string{"linux/amd64", "linux/arm"}, want: []string{imageRunsAsRoot}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.service.Name = "web"
			if test.service.Image == "" {
				test.service.Image = "app"
			}
			services := []*schema.Service{&test.service}
			errs := CheckImages(&schema.App{Services: services}, services, []Image{{Container: "web", Inspection: &test.found, Nodes: test.nodes}})
			if len(test.want) == 0 {
				if len(errs) > 0 {
					t.Errorf("got %s", errs[0].Text())
				}
				return
			}
			if len(errs) != 1 || errs[0].Rule != test.want[0] {
				t.Fatalf("got %v, want one of %s", errs, test.want[0])
			}
			for _, part := range test.want {
				if text := errs[0].Rule + errs[0].Text(); !strings.Contains(text, part) {
					t.Errorf("got\n%s\nwithout %q", text, part)
				}
			}
			for _, r := range Rules() {
				if r.Name == errs[0].Rule && (r.Severity == errs[0].Severity || r.Name == imagePlatform) {
					return
				}
			}
			t.Errorf("%s is no rule of severity %s", errs[0].Rule, errs[0].Severity)
		})
	}
}

// An image may declare any number of things, and is judged in no time.
func TestCheckImagesMany(t *testing.T) {
	t.Parallel()
	const many = 200_000
	c := registry.Config{Platform: "linux/amd64", User: "65532", Entrypoint: []string{"/app"}}
	platforms := []string{"linux/amd64"}
	for i := range many {
		c.Volumes = append(c.Volumes, fmt.Sprintf("/data/%d", i))
		c.Ports = append(c.Ports, fmt.Sprintf("%d/tcp", i+100))
		platforms = append(platforms, fmt.Sprintf("linux/arm/v%d", i))
	}
	services := []*schema.Service{{Name: "web", Image: "app", Ports: []schema.Port{{Port: 80}}}}
	found := &registry.Inspection{Platforms: platforms, Configs: []registry.Config{c}}
	errs := CheckImages(&schema.App{Services: services}, services, []Image{{Container: "web", Inspection: found, Nodes: []string{"linux/s390x"}}})
	if len(errs) != 3 {
		t.Errorf("found %d, want the volumes, the ports and the platforms", len(errs))
	}
	for _, e := range errs {
		if len(e.Text()) > 2000 || !strings.Contains(e.Text(), "more") {
			t.Errorf("%d characters: %.300s", len(e.Text()), e.Text())
		}
	}
}

// A container is held to what is said of itself, and a task that has the image of
// its service is not told again.
func TestCheckImagesBeside(t *testing.T) {
	t.Parallel()
	root := &registry.Inspection{Platforms: []string{"linux/amd64"}, Configs: []registry.Config{{Cmd: []string{"/app"}}}}
	s := &schema.Service{
		Name: "web", Image: "app", Security: schema.Security{},
		Init:     []schema.Container{{Name: "wait", Image: "busybox", Security: schema.Security{AllowRoot: true}}},
		Sidecars: []schema.Container{{Name: "proxy", Image: "envoy"}},
		Before:   []schema.Task{{Container: schema.Container{Name: "migrate", Image: "app"}}},
	}
	services := []*schema.Service{s}
	var images []Image
	for _, src := range sources(services) {
		images = append(images, Image{Container: src.container, Inspection: root})
	}
	errs := CheckImages(&schema.App{Services: services}, services, images)
	if len(errs) != 2 || errs[0].Path != "services.web.image" || errs[1].Path != "services.web.sidecars.proxy.image" {
		t.Errorf("got %v", errs)
	}
	images[0].Inspection, images[2].Inspection, images[3].Inspection = nil, nil, nil
	if errs := CheckImages(&schema.App{Services: services}, services, images); len(errs) > 0 {
		t.Errorf("got %v of what could not be read", errs)
	}
}

// The platforms are those of the nodes that the pods may be on.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	nodes := []map[string]string{
		{osLabel: "linux", archLabel: "arm64", "pool": "cheap"}, {osLabel: "linux", archLabel: "amd64"},
		{osLabel: "linux", archLabel: "amd64", "pool": "large"}, {osLabel: "windows", archLabel: "amd64"},
	}
	for want, labels := range map[string]map[string]string{"linux/amd64 linux/arm64": nil, "linux/arm64": {"pool": "cheap"}, "": {"pool": "none"}} {
		src := source{service: &schema.Service{Placement: schema.Placement{Nodes: labels}}}
		if got := strings.Join(src.platforms(nodes), " "); got != want {
			t.Errorf("%v: got %s, want %s", labels, got, want)
		}
	}
}

// What is built is built for nodes that are all unlike this machine, and warned of
// when some are.
func TestBuiltForNodes(t *testing.T) {
	t.Parallel()
	host, other := registry.HostPlatform(), "linux/arm64"
	if host == other {
		other = "linux/amd64"
	}
	web := &schema.Service{Name: "web", Build: &schema.Build{Go: "./web"}}
	for name, test := range map[string]struct {
		nodes, built []string
		cross        bool
		want         string // part of what is warned of
	}{
		"not known": {},
		"alike":     {nodes: []string{host}},
		"unlike":    {nodes: []string{"linux/s390x", other}, built: []string{"linux/s390x", other}, cross: true},
		"some":      {nodes: []string{host, other}, want: "services.web.build: what is built here is not made for " + other + ", as some nodes are"},
	} {
		img := Image{Container: "web", Build: true, Nodes: test.nodes}
		if built := img.crossBuild(); !slices.Equal(built, test.built) || img.CrossBuilt != test.cross {
			t.Errorf("%s: built for %v, %v", name, built, img.CrossBuilt)
		}
		errs := CheckImages(&schema.App{}, []*schema.Service{web}, []Image{img})
		if len(errs) > 1 || len(errs) == 1 != (test.want != "") {
			t.Errorf("%s: %v", name, errs)
		} else if test.want != "" && (errs[0].Rule != imagePlatform || errs[0].Severity != rule.Warning || !strings.Contains(errs[0].Text(), test.want) || !strings.Contains(errs[0].Hint, `"kubernetes.io/arch": "`+strings.TrimPrefix(host, "linux/"))) {
			t.Errorf("%s: %s", name, errs[0].Text())
		}
	}
}

// An image for other nodes is in the registry as one.
func TestImagesForOtherNodes(t *testing.T) {
	t.Parallel()
	address := os.Getenv("SHIPIT_TEST_REGISTRY")
	if address == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") != "" {
			t.Fatal("SHIPIT_TEST_REGISTRY must name a registry")
		}
		t.Skip("SHIPIT_TEST_REGISTRY names no registry")
	}
	arch := "arm64"
	if registry.HostPlatform() == "linux/"+arch {
		arch = "amd64"
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module web.example\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	services := []*schema.Service{{Name: "web", Build: &schema.Build{Go: "."}}}
	app := &schema.App{Name: "other", Dir: dir, Registry: address + "/other-nodes", Services: services}
	images, err := Images(t.Context(), app, services, ImageOptions{Inspect: true, Nodes: func(context.Context) []map[string]string {
		return []map[string]string{{osLabel: "linux", archLabel: arch}}
	}}, func(Image) {})
	if err != nil {
		t.Fatal(err)
	}
	builder, err := registry.New(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := builder.Inspect(t.Context(), images[0].Ref, nil)
	if err != nil || !slices.Equal(found.Platforms, []string{"linux/" + arch}) || !images[0].CrossBuilt {
		t.Errorf("%+v, %v", found, err)
	}
}
