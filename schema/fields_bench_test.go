package schema_test

import (
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

func BenchmarkExplain(b *testing.B) {
	for _, path := range []string{"", "services", "services.web.probes.readiness.http"} {
		b.Run("path="+path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schema.Explain(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFields(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Fields(); err != nil {
			b.Fatal(err)
		}
	}
}
