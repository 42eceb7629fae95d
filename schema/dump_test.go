package schema_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// dump gives an App as JSON, followed by where some of its values are.
func dump(app *schema.App, dir string) string {
	b, err := json.MarshalIndent(app, "", "\t")
	if err != nil {
		return err.Error()
	}
	lines := []string{strings.ReplaceAll(string(b), dir, "$DIR")}
	paths := []string{
		"name", "namespace", "nonsense", "labels.team", "quota.pods", "environments.prod.context",
		"services.store.workload", "services.store.env.LEVEL", "services.store.env.LEVEL.config", "services.store.config.app.app.yaml",
		"services.store.secrets.db.password", "services.store.volumes.data.size", "services.store.calls.pay.host",
		"services.store.needs.web", "services.front.expose.admin.tls", "services.api.jobs.before.migrate.env.ONLY", "objects.cm.data.a", "objects.files.1", "services.api.patch.Deployment.spec", "services.store.rollout.maxUnavailable",
		"services.store.lifecycle.preStop.http.port", "services.store.pull.registry.example.com", "services.front.enabled",
	}
	for _, s := range app.Services {
		for _, field := range []string{"", ".image", ".build", ".replicas", ".ports.http", ".probes.readiness", ".env.HOST", ".resources.limits.memory"} {
			paths = append(paths, "services."+s.Name+field)
		}
	}
	slices.Sort(paths)
	for _, p := range paths {
		lines = append(lines, p+" "+app.Position(p).String())
	}
	return strings.Join(lines, "\n") + "\n"
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; it is:\n%s", file, got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
