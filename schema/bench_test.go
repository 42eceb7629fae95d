package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// BenchmarkLoad loads apps of services as they really are: about ten fields
// each. One iteration is cold: CUE keeps nothing between two.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := project(b, large(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schema.Load(b.Context(), dir, schema.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoadErrors(b *testing.B) {
	dir := project(b, strings.ReplaceAll(large(50), "readiness", "rediness"))
	for b.Loop() {
		if _, err := schema.Load(b.Context(), dir, schema.Options{}); err == nil {
			b.Fatal("no error")
		}
	}
}

func large(n int) string {
	var s strings.Builder
	s.WriteString("package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {\n\tname: \"shop\"\n")
	for i := range n {
		fmt.Fprintf(&s, `	services: "svc-%d": {
		image: "registry.example.com/shop/svc-%d:1.%d"
		args: ["serve", "--port=8080"]
		replicas: *2 | int
		ports: {http: 8080, metrics: 9090}
		probes: readiness: http: {path: "/readyz", port: "http"}
		probes: liveness: {http: "/healthz", periodSeconds: 5}
		env: {LOG_LEVEL: "info", INDEX: "%d", PEER: "svc-%d"}
		resources: {cpu: "100m", memory: "64Mi"}
		security: runAsUser: 1000
	}
`, i, i, i, i, (i+1)%n)
	}
	s.WriteString("}\n")
	return s.String()
}
