package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

func TestInit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "My Shop_2")
	files, err := schema.Init(dir, schema.InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(files)
	app, err := schema.Load(t.Context(), dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j, _ := json.MarshalIndent(app, "", " ")
	t.Logf("%s", j)
	t.Log(app.Position("services.web.probes.readiness.periodSeconds"), app.Position("services.web.ports.http"))
	os.WriteFile(filepath.Join(dir, "x.cue"), []byte("package myshop2\nservices: web: replica: 3\n"), 0o644)
	_, err = schema.Load(t.Context(), dir, schema.Options{})
	t.Log(err)
}
