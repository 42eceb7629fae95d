package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/internal/sops"
	"github.com/shipit-dev/shipit/schema"
)

// maxSecret is what Kubernetes lets a Secret hold
// (https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size).
const maxSecret = 1 << 20

// Values are the values of secrets: by service, secret and key.
type Values map[string]map[string]map[string][]byte

// SecretError is a secret whose source has no value to give.
type SecretError struct {
	Path string // in the CUE: services.catalog.secrets.db.password
	Pos  schema.Pos
	Env  string // the variable that is not set, when it comes from one
	File string // the file that cannot be read, when it comes from one
	SOPS bool   // the file is one that SOPS encrypted; Err names it
	More int    // how many other secrets fail for the same reason
	Err  error
}

func (e *SecretError) Error() string {
	more := ""
	if e.More > 0 {
		more = fmt.Sprintf(" (and %d more)", e.More)
	}
	switch {
	case e.Env != "":
		return fmt.Sprintf("%s: %s comes from the environment variable %s, which is %v", e.Pos, e.Path, e.Env, e.Err)
	case e.SOPS:
		return fmt.Sprintf("%s: %s: %v%s", e.Pos, e.Path, e.Err, more)
	}
	return fmt.Sprintf("%s: %s comes from the file %s: %v", e.Pos, e.Path, e.File, e.Err)
}

// Unwrap gives the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// Hint tells how to give the value.
func (e *SecretError) Hint() string {
	var hinter interface{ Hint() string }
	switch {
	case e.Env != "":
		return "export " + e.Env + " before deploying; in CI, from its store of secrets"
	case errors.As(e.Err, &hinter):
		return hinter.Hint()
	}
	return "the file is looked for in the project's directory"
}

// Secrets reads the values of every secret of the services that does not exist
// in the cluster already. lookup finds variables of the environment, those of age
// keys for files that SOPS encrypted among them. Each file is decrypted once, all
// side by side. The result is nil when there are none to read; the error joins a
// SecretError for each value that is missing.
func Secrets(ctx context.Context, app *schema.App, services []*schema.Service, lookup func(string) (string, bool)) (Values, error) {
	root, err := os.OpenRoot(app.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	encrypted := decryptAll(ctx, root, services, lookup)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var values Values
	var missing []*SecretError
	failed := map[string]*SecretError{} // by file
	for _, s := range services {
		for _, secret := range s.Secrets {
			for _, key := range secret.Keys {
				if key.Existing != nil || key.External != nil {
					continue // its value is never here
				}
				value, err := secretValue(root, key, encrypted, lookup)
				if err == nil {
					values = values.with(s.Name, secret.Name, key.Key, value)
					continue
				}
				path := "services." + s.Name + ".secrets." + secret.Name + "." + key.Key
				e := &SecretError{Path: path, Pos: app.Position(path), Env: key.Env, File: fileOf(key), SOPS: key.SOPS != nil, Err: err}
				if key.SOPS != nil && encrypted[key.SOPS.File].err != nil {
					if first := failed[e.File]; first != nil {
						first.More++
						continue
					}
					failed[e.File] = e
				}
				missing = append(missing, e)
			}
		}
	}
	slices.SortStableFunc(missing, func(a, b *SecretError) int { return comparePos(a.Pos, b.Pos) })
	errs := make([]error, len(missing))
	for i, e := range missing {
		errs[i] = e
	}
	return values, errors.Join(errs...)
}

func (v Values) with(service, secret, key string, value []byte) Values {
	if v == nil {
		v = Values{}
	}
	if v[service] == nil {
		v[service] = map[string]map[string][]byte{}
	}
	if v[service][secret] == nil {
		v[service][secret] = map[string][]byte{}
	}
	v[service][secret][key] = value
	return v
}

func fileOf(key schema.SecretKey) string {
	if key.SOPS != nil {
		return key.SOPS.File
	}
	return key.File
}

// decrypted is what became of a file that SOPS encrypted.
type decrypted struct {
	values *sops.Values
	err    error
}

// decryptAll decrypts the files that the services name, by their names.
func decryptAll(ctx context.Context, root *os.Root, services []*schema.Service, lookup func(string) (string, bool)) map[string]*decrypted {
	files := map[string]*decrypted{}
	keys := sops.NewKeys(lookup)
	var g errgroup.Group
	for _, s := range services {
		for _, secret := range s.Secrets {
			for _, key := range secret.Keys {
				if key.SOPS == nil || files[key.SOPS.File] != nil {
					continue
				}
				d, name := &decrypted{}, key.SOPS.File
				files[name] = d
				g.Go(func() error {
					d.values, d.err = decryptFile(ctx, root, name, keys)
					return nil
				})
			}
		}
	}
	_ = g.Wait() // every error is in files
	return files
}

func decryptFile(ctx context.Context, root *os.Root, name string, keys *sops.Keys) (*sops.Values, error) {
	data, err := readFile(root, name)
	if err != nil {
		return nil, fmt.Errorf("the file %q: %w", name, err)
	}
	file, err := sops.Parse(name, data)
	if err != nil {
		return nil, err
	}
	return file.Decrypt(ctx, filepath.Join(root.Name(), filepath.FromSlash(name)), keys)
}

// secretValue reads one value. An empty variable is a mistake more often than a
// secret, so it counts as missing.
func secretValue(root *os.Root, key schema.SecretKey, encrypted map[string]*decrypted, lookup func(string) (string, bool)) ([]byte, error) {
	if key.Env != "" {
		value, ok := lookup(key.Env)
		switch {
		case !ok:
			return nil, errors.New("not set")
		case value == "":
			return nil, errors.New("empty")
		}
		return []byte(value), nil
	}
	if key.SOPS != nil {
		file := encrypted[key.SOPS.File]
		if file.err != nil {
			return nil, file.err
		}
		return file.values.Get(key.SOPS.Key)
	}
	return readFile(root, key.File)
}

// readFile reads a file of the project, and none that a link leads out to.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, err
	}
	defer f.Close()
	value, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(value) > maxSecret {
		err = fmt.Errorf("larger than the %d KiB that a Secret can hold", maxSecret>>10)
	}
	return value, err
}
