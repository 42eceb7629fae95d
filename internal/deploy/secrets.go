package deploy

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	Err  error
}

func (e *SecretError) Error() string {
	if e.Env != "" {
		return fmt.Sprintf("%s: %s comes from the environment variable %s, which is %v", e.Pos, e.Path, e.Env, e.Err)
	}
	return fmt.Sprintf("%s: %s comes from the file %s: %v", e.Pos, e.Path, e.File, e.Err)
}

// Unwrap gives the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// Hint tells how to give the value.
func (e *SecretError) Hint() string {
	if e.Env != "" {
		return "export " + e.Env + " before deploying; in CI, from its store of secrets"
	}
	if errors.Is(e.Err, errNoSOPS) {
		return "give the value in the environment (env: …), decrypted by sops exec-env"
	}
	return "the file is looked for in the project's directory"
}

// Secrets reads the values of every secret of the services that does not exist
// in the cluster already. lookup finds variables of the environment. The result
// is nil when there are none to read; the error joins a SecretError for each
// value that is missing.
func Secrets(app *schema.App, services []*schema.Service, lookup func(string) (string, bool)) (Values, error) {
	root, err := os.OpenRoot(app.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	var values Values
	var missing []error
	for _, s := range services {
		for _, secret := range s.Secrets {
			for _, key := range secret.Keys {
				if key.Existing != nil || key.External != nil {
					continue // its value is never here
				}
				value, err := secretValue(root, key, lookup)
				if err != nil {
					path := "services." + s.Name + ".secrets." + secret.Name + "." + key.Key
					missing = append(missing, &SecretError{Path: path, Pos: app.Position(path), Env: key.Env, File: fileOf(key), Err: err})
					continue
				}
				values = values.with(s.Name, secret.Name, key.Key, value)
			}
		}
	}
	return values, errors.Join(missing...)
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

var errNoSOPS = errors.New("this version of shipit cannot decrypt SOPS files yet")

// secretValue reads one value. An empty variable is a mistake more often than a
// secret, so it counts as missing.
func secretValue(root *os.Root, key schema.SecretKey, lookup func(string) (string, bool)) ([]byte, error) {
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
		return nil, errNoSOPS
	}
	f, err := root.Open(key.File)
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
