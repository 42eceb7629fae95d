// Package bench makes projects of any size, for measuring: a number of services
// goes in, the files of a project come out, always the same for the same number.
// The program in processes measures the command line on them; here nothing is
// measured.
package bench

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Environments of a project, the last of which changes most.
var Environments = []string{"dev", "staging", "prod"}

// Kinds of the objects of each service: one of each. Beside them each service has
// a NetworkPolicy for each other service that it calls.
var Kinds = []string{
	"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress",
	"NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount",
}

// perFile is how many services are in one CUE file.
const perFile = 25

// Project is a project of n services: by its path, the content of each file. The
// schema is not among them; Calls are how many calls there are between services.
type Project struct {
	Files map[string]string
	Calls int
}

// Write writes the project's files into dir.
func (p Project) Write(dir string) error {
	for name, text := range p.Files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// New makes a project of n services, the same ones each time.
func New(n int) Project {
	g := generator{rand: rand.New(rand.NewPCG(1, uint64(n))), project: Project{Files: map[string]string{
		"cue.mod/module.cue": "module: \"example.com/bench\"\nlanguage: version: \"v0.17.0\"\n",
		"bench.cue":          app,
	}}}
	for i := range n {
		g.names = append(g.names, name(i))
	}
	for first := 0; first < n; first += perFile {
		last := min(first+perFile, n)
		var b strings.Builder
		b.WriteString("package bench\n")
		for i := first; i < last; i++ {
			b.WriteString("\n")
			g.service(&b, i)
		}
		g.project.Files[fmt.Sprintf("services_%02d.cue", first/perFile)] = b.String()
	}
	g.environments()
	return g.project
}

// Defined gives the same project with what its services share in a definition made of
// the schema's, as a platform team would write it.
func (p Project) Defined() Project {
	p.Files = maps.Clone(p.Files)
	p.Files["bench.cue"] = strings.NewReplacer(
		"services: [Name=_]: {", "services: [Name=_]: #Web & {_name: Name}\n\n#Web: v1.#Service & {\n\t_name: string",
		`\(Name)`, `\(_name)`,
	).Replace(p.Files["bench.cue"])
	return p
}

// app is what all services share, as a team would write it.
const app = `// A made-up company's services.
package bench

import "shipit.dev/v1"

v1.#App

name:     "bench"
registry: "registry.example.com/bench"

// environment is the name of the chosen one: shipit fills it in.
environment: string

_domain: string | *"dev.example.com"
if environment == "staging" {
	_domain: "staging.example.com"
}
if environment == "prod" {
	_domain: "example.com"
}

// What every service has, unless it says otherwise.
services: [Name=_]: {
	ports: http: 8080
	probes: {
		readiness: {http: *"/readyz" | string, periodSeconds: *5 | int}
		liveness: http: *"/livez" | string
	}
	autoscale: {
		min: *2 | int
		max: *6 | int
	}
	disruption: maxUnavailable: 1
	expose: public: {host: "\(Name).\(_domain)", class: "nginx"}
	volumes: settings: {mount: "/etc/\(Name)", config: "settings"}
}
`

// The words that names are made of.
var (
	domains = []string{
		"account", "audit", "basket", "billing", "catalog", "checkout", "customer", "delivery", "discount", "fraud",
		"identity", "inventory", "invoice", "ledger", "loyalty", "media", "notification", "order", "partner", "payment",
		"pricing", "product", "profile", "promotion", "refund", "report", "return", "review", "search", "shipment",
		"stock", "subscription", "supplier", "support", "tax", "tracking", "voucher", "warehouse", "wishlist", "zone",
	}
	roles = []string{
		"api", "worker", "gateway", "sync", "events", "admin", "export", "import", "cache", "scheduler", "webhook", "index",
		"mail", "rules", "router", "store", "view", "query", "bridge", "proxy", "loader", "monitor", "planner", "signer", "feed",
	}
)

// name gives number i of a thousand names, and goes on with numbers.
func name(i int) string {
	s := domains[i%len(domains)] + "-" + roles[(i/len(domains)+i)%len(roles)]
	if round := i / (len(domains) * len(roles)); round > 0 {
		s = fmt.Sprintf("%s-%d", s, round+1)
	}
	return s
}

type generator struct {
	rand    *rand.Rand
	names   []string
	project Project
}

// pick gives one of several values.
func pick[T any](g *generator, of ...T) T { return of[g.rand.IntN(len(of))] }

// chance is true in that many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.rand.IntN(100) < percent }
