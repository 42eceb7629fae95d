package language_test

import (
	"testing"

	"github.com/shipit-dev/shipit/schema/language"
)

func BenchmarkExplain(b *testing.B) {
	for _, path := range []string{"", "services", "services.web.probes.readiness.http"} {
		b.Run("path="+path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := language.Explain(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEntries(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := language.Entries(); err != nil {
			b.Fatal(err)
		}
	}
}
