package bench

import (
	"fmt"
	"slices"
	"strings"
)

// service writes number i: what it says beside what all services share.
func (g *generator) service(b *strings.Builder, i int) {
	name := g.names[i]
	line := func(format string, a ...any) { fmt.Fprintf(b, "\t"+format+"\n", a...) }
	fmt.Fprintf(b, "// %s is run by the team %s.\nservices: %q: {\n", name, pick(g, teams...), name)
	line("image: \"registry.example.com/bench/%s:%d.%d.%d\"", name, 1+g.rand.IntN(4), g.rand.IntN(30), g.rand.IntN(10))
	if g.chance(30) {
		line("args: [\"serve\", \"--workers=%d\"]", 1+g.rand.IntN(16))
	}
	if g.chance(60) {
		line("ports: metrics: %d", pick(g, 9090, 9100, 9464))
		line("monitor: {port: \"metrics\"}")
	}
	if g.chance(25) {
		line("ports: grpc: {port: %d, appProtocol: \"grpc\"}", pick(g, 9000, 50051))
	}
	if g.chance(20) {
		line("probes: startup: {http: \"/livez\", periodSeconds: 2, failureThreshold: %d}", 10*(1+g.rand.IntN(6)))
	}
	if g.chance(20) {
		line("probes: readiness: {http: \"/healthz\", periodSeconds: %d}", 1+g.rand.IntN(10))
	}
	line("resources: {cpu: \"%dm\", memory: \"%dMi\"}", pick(g, 50, 100, 200, 250, 500), pick(g, 64, 128, 192, 256, 512))
	line("autoscale: cpu: %d", pick(g, 60, 70, 75, 80))
	if g.chance(30) {
		line("autoscale: {min: %d, max: %d}", 2+g.rand.IntN(2), 8+g.rand.IntN(8))
	}
	if g.chance(15) {
		line("autoscale: behavior: scaleDown: stabilizationWindowSeconds: %d", pick(g, 60, 120, 600))
	}
	if g.chance(30) {
		line("rollout: maxSurge: %s", pick(g, "1", "\"50%\""))
	}
	if g.chance(20) {
		line("expose: public: path: \"/%s\"", pick(g, "api", "v1", "v2"))
	}
	if g.chance(10) {
		line("security: runAsUser: %d", 1000+g.rand.IntN(9000))
	}
	g.config(b, i)
	g.env(b)
	g.calls(line, i)
	b.WriteString("}\n")
}

var (
	teams     = []string{"atlas", "borealis", "cirrus", "dune", "ember", "fjord"}
	variables = []string{
		"DB_POOL_SIZE", "CACHE_TTL", "HTTP_TIMEOUT", "MAX_RETRIES", "BATCH_SIZE", "QUEUE_NAME", "TRACE_SAMPLING", "LOCALE",
		"CURRENCY", "SHUTDOWN_GRACE", "RATE_LIMIT", "BUCKET", "TOPIC", "PAGE_SIZE", "REGION",
	}
	values = []string{"10", "30s", "5s", "3", "500", "incoming", "0.05", "en-GB", "EUR", "20s", "100", "archive", "events.v1", "50", "eu-central-1"}
)

// config writes the service's one set of texts: keys, and a file of its own, in
// the CUE or beside it.
func (g *generator) config(b *strings.Builder, i int) {
	text := fmt.Sprintf("server:\n  port: 8080\n  timeouts: {read: %ds, write: 30s}\nlog: {level: info, format: json}\nfeatures:\n", 1+g.rand.IntN(20))
	for range 1 + g.rand.IntN(8) {
		text += fmt.Sprintf("  - name: %s-%s\n    enabled: %t\n", pick(g, domains...), pick(g, roles...), g.chance(50))
	}
	b.WriteString("\tconfig: settings: {\n")
	fmt.Fprintf(b, "\t\tlevel: *%q | string\n", pick(g, "info", "warn"))
	if g.chance(25) {
		file := fmt.Sprintf("conf/%s.yaml", g.names[i])
		g.project.Files[file] = text
		fmt.Fprintf(b, "\t\t\"service.yaml\": file: %q\n", file)
	} else {
		fmt.Fprintf(b, "\t\t\"service.yaml\": \"\"\"\n\t\t\t%s\n\t\t\t\"\"\"\n", strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t\t\t"))
	}
	b.WriteString("\t}\n")
}

func (g *generator) env(b *strings.Builder) {
	b.WriteString("\tenv: {\n\t\tLOG_LEVEL: config: \"settings/level\"\n")
	if g.chance(50) {
		b.WriteString("\t\tPOD_IP: field: \"status.podIP\"\n")
	}
	chosen := g.rand.Perm(len(variables))[:2+g.rand.IntN(6)]
	slices.Sort(chosen)
	for _, v := range chosen {
		fmt.Fprintf(b, "\t\t%s: %q\n", variables[v], values[v])
	}
	b.WriteString("\t}\n")
}

// calls writes none to four other services, and something outside.
func (g *generator) calls(line func(string, ...any), i int) {
	called := map[int]bool{i: true}
	for range g.rand.IntN(4) {
		if other := g.rand.IntN(len(g.names)); !called[other] {
			called[other] = true
			g.project.Calls++
			line("calls: %q: port: \"http\"", g.names[other])
		}
	}
	if g.chance(50) {
		line("calls: database: {host: \"%s.db.example.com\", port: 5432}", pick(g, domains...))
	}
}

// environments writes what is different in each: nothing in the first, and in the
// last one what a fifth of the services need.
func (g *generator) environments() {
	var b strings.Builder
	b.WriteString("package bench\n\nenvironments: {\n")
	for i, env := range Environments {
		fmt.Fprintf(&b, "\t%s: {\n\t\tnamespace: \"bench-%s\"\n\t\tlabels: stage: %q\n", env, env, env)
		if i > 0 {
			b.WriteString("\t\tservices: {\n")
			for j, name := range g.names {
				switch {
				case i == 1 && j%10 == 0:
					fmt.Fprintf(&b, "\t\t\t%q: config: settings: level: \"debug\"\n", name)
				case i == 2 && j%5 == 0:
					fmt.Fprintf(&b, "\t\t\t%q: autoscale: behavior: scaleUp: stabilizationWindowSeconds: %d\n", name, 30*(1+g.rand.IntN(4)))
				}
			}
			b.WriteString("\t\t}\n")
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	g.project.Files["environments.cue"] = b.String()
}
