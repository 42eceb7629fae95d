package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), "from a file\n")
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", maxSecret+1))
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "not the project's")
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"SET": "from the environment", "EMPTY": ""}[name]
		return value, ok
	}
	for _, test := range []struct {
		name string
		key  schema.SecretKey
		want string // the value, or
		err  string // what the error says
	}{
		{"variable", schema.SecretKey{Env: "SET"}, "from the environment", ""},
		{"unset", schema.SecretKey{Env: "UNSET"}, "", "environment variable UNSET, which is not set"},
		{"empty", schema.SecretKey{Env: "EMPTY"}, "", "environment variable EMPTY, which is empty"},
		{"file", schema.SecretKey{File: "token"}, "from a file\n", ""},
		{"no file", schema.SecretKey{File: "none"}, "", "the file none: no such file"},
		{"large", schema.SecretKey{File: "large"}, "", "larger than"},
		{"outside", schema.SecretKey{File: "../outside"}, "", "escapes"},
		{"sops", schema.SecretKey{SOPS: &schema.SOPSKey{File: "secrets.yaml", Key: "db"}}, "", "the file secrets.yaml: this version of shipit cannot decrypt"},
		{"link outside", schema.SecretKey{File: "link"}, "", "escapes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.key.Key = "key"
			app := &schema.App{Dir: dir, Services: []*schema.Service{{Name: "web", Secrets: []schema.Secret{{Name: "db", Keys: []schema.SecretKey{test.key}}}}}}
			values, err := Secrets(app, app.Services, lookup)
			if test.err == "" {
				if err != nil || string(values["web"]["db"]["key"]) != test.want {
					t.Errorf("got %q, %v", values, err)
				}
				return
			}
			var missing *SecretError
			if !errors.As(err, &missing) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want one that says %q", err, test.err)
			}
			if missing.Path != "services.web.secrets.db.key" || missing.Hint() == "" {
				t.Errorf("path %s, hint %q", missing.Path, missing.Hint())
			}
		})
	}
}

// All that is missing is told at once, and what exists in the cluster already is
// nobody's business here.
func TestSecretsAllMissing(t *testing.T) {
	t.Parallel()
	app := &schema.App{Dir: t.TempDir(), Services: []*schema.Service{
		{Name: "web", Secrets: []schema.Secret{{Name: "a", Keys: []schema.SecretKey{{Key: "x", Env: "X"}, {Key: "y", Existing: &schema.KeyRef{Name: "there", Key: "y"}}, {Key: "e", External: &schema.ExternalKey{}}}}}},
		{Name: "api", Secrets: []schema.Secret{{Name: "b", Keys: []schema.SecretKey{{Key: "z", File: "z"}}}}},
	}}
	values, err := Secrets(app, app.Services, func(string) (string, bool) { return "", false })
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 || values != nil {
		t.Errorf("got %v, %v; want two errors and no values", values, err)
	}
	app.Services[0].Secrets[0].Keys = app.Services[0].Secrets[0].Keys[1:]
	if values, err := Secrets(app, app.Services[:1], nil); values != nil || err != nil {
		t.Errorf("got %v, %v for a secret that exists in the cluster", values, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
