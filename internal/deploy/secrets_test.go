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
	encrypted, err := os.ReadFile("../sops/testdata/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "prod.yaml"), string(encrypted))
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"SET": "from the environment", "EMPTY": "", "SOPS_AGE_KEY_FILE": "../sops/testdata/keys.txt"}[name]
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
		{"sops", schema.SecretKey{SOPS: &schema.SOPSKey{File: "prod.yaml", Key: "db.password"}}, "hunter2", ""},
		{"sops no value", schema.SecretKey{SOPS: &schema.SOPSKey{File: "prod.yaml", Key: "db.pass"}}, "", `services.web.secrets.db.key: the file "prod.yaml" has no value "db.pass"`},
		{"sops no file", schema.SecretKey{SOPS: &schema.SOPSKey{File: "none.yaml", Key: "db"}}, "", `the file "none.yaml": no such file`},
		{"sops not encrypted", schema.SecretKey{SOPS: &schema.SOPSKey{File: "token", Key: "db"}}, "", `the file "token" is not encrypted`},
		{"sops outside", schema.SecretKey{SOPS: &schema.SOPSKey{File: "link", Key: "db"}}, "", "escapes"},
		{"link outside", schema.SecretKey{File: "link"}, "", "escapes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.key.Key = "key"
			app := &schema.App{Dir: dir, Services: []*schema.Service{{Name: "web", Secrets: []schema.Secret{{Name: "db", Keys: []schema.SecretKey{test.key}}}}}}
			values, err := Secrets(t.Context(), app, app.Services, lookup)
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
	values, err := Secrets(t.Context(), app, app.Services, func(string) (string, bool) { return "", false })
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 || values != nil {
		t.Errorf("got %v, %v; want two errors and no values", values, err)
	}
	app.Services[0].Secrets[0].Keys = app.Services[0].Secrets[0].Keys[1:]
	if values, err := Secrets(t.Context(), app, app.Services[:1], nil); values != nil || err != nil {
		t.Errorf("got %v, %v for a secret that exists in the cluster", values, err)
	}
}

// A file that cannot be decrypted is told once, and not for each of its values.
func TestSecretsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	encrypted, err := os.ReadFile("../sops/testdata/other.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "prod.yaml"), string(encrypted))
	key := func(name string) schema.SecretKey {
		return schema.SecretKey{Key: name, SOPS: &schema.SOPSKey{File: "prod.yaml", Key: name}}
	}
	app := &schema.App{Dir: dir, Services: []*schema.Service{{Name: "web", Secrets: []schema.Secret{{Name: "db", Keys: []schema.SecretKey{key("password"), key("user"), key("host")}}}}}}
	_, err = Secrets(t.Context(), app, app.Services, func(string) (string, bool) { return "", false })
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 1 || !strings.Contains(err.Error(), "services.web.secrets.db.password: no key opens") || !strings.HasSuffix(err.Error(), "(and 2 more)") {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
