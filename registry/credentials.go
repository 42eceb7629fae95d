package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	helpers "github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// helperTimeout is how long a credential helper may take: it may ask a person.
const helperTimeout = time.Minute

// CredentialsError is a machine's own trouble with credentials for a registry: a
// file that cannot be read, or a helper that does not help. The registry was not
// asked.
type CredentialsError struct {
	Registry string // host[:port]
	File     string // that says where credentials are, or the variable that does
	Helper   string // the program that File names, or ""
	Reason   string
	Missing  bool // the program is not installed
}

func (e *CredentialsError) Error() string {
	what := "reading " + e.File
	if e.Helper != "" {
		what = fmt.Sprintf("the credential helper %s, which %s names", e.Helper, e.File)
	}
	return fmt.Sprintf("no credentials for registry %s: %s: %s", e.Registry, what, e.Reason)
}

// Hint tells what to look at.
func (e *CredentialsError) Hint() string {
	switch {
	case e.Missing:
		return fmt.Sprintf("install %s and put it in PATH, or take it out of %s and log in again", e.Helper, e.File)
	case e.Helper != "":
		return fmt.Sprintf("try it: echo %s | %s get", e.Registry, e.Helper)
	}
	return "mend " + e.File
}

// keychain finds credentials where Docker and Podman do. It is our own since a
// helper must end when it hangs, errors must say which file they are of, and no
// helper is to be asked twice. What a helper prints is not in its errors, except
// for the last line that says why it failed.
type keychain struct {
	env     []string
	logins  []byte
	timeout time.Duration

	mu    sync.Mutex
	asked map[string]*answer
}

// answer is what was found for a registry, once done is closed.
type answer struct {
	done chan struct{}
	auth authn.Authenticator
	err  error
}

func newKeychain(env []string, logins []byte) *keychain {
	if env == nil {
		env = os.Environ()
	}
	return &keychain{env: env, logins: logins, timeout: helperTimeout, asked: map[string]*answer{}}
}

// Resolve makes an authn.Keychain.
func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext finds the credentials of a repository, once.
func (k *keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	k.mu.Lock()
	a := k.asked[r.String()]
	first := a == nil
	if first {
		a = &answer{done: make(chan struct{})}
		k.asked[r.String()] = a
	}
	k.mu.Unlock()
	if first {
		a.auth, a.err = k.find(ctx, r)
		close(a.done)
	}
	select {
	case <-a.done:
		return a.auth, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (k *keychain) find(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	host := r.RegistryStr()
	key := host
	if host == name.DefaultRegistry {
		key = authn.DefaultAuthKey
		host = "docker.io"
	}
	for _, source := range []func() (*configfile.ConfigFile, error){k.given, k.variable, k.file} {
		config, err := source()
		if err != nil {
			return nil, &CredentialsError{Registry: host, File: config.Filename, Reason: firstLine(err.Error())}
		}
		auth, err := k.from(ctx, config, host, r.String(), key)
		if err != nil || auth != (types.AuthConfig{}) {
			return authn.FromConfig(authn.AuthConfig{
				Username: auth.Username, Password: auth.Password, Auth: auth.Auth,
				IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
			}), err
		}
	}
	return authn.Anonymous, nil
}

// from looks for credentials in a config: of the repository, or else of its
// registry, in the file or with the helper that the file names.
func (k *keychain) from(ctx context.Context, config *configfile.ConfigFile, host, repository, key string) (types.AuthConfig, error) {
	if helper := config.CredentialHelpers[repository]; helper != "" {
		return k.ask(ctx, config, host, helper, repository)
	}
	if auth, ok := config.AuthConfigs[repository]; ok {
		auth.ServerAddress = ""
		return auth, nil
	}
	helper := config.CredentialHelpers[key]
	if helper == "" {
		helper = config.CredentialsStore
	}
	if helper != "" {
		return k.ask(ctx, config, host, helper, key)
	}
	auth, err := credentials.NewFileStore(config).Get(key)
	auth.ServerAddress = "" // so that what is empty is so
	return auth, err
}

// given reads what the caller has.
func (k *keychain) given() (*configfile.ConfigFile, error) {
	return read("the given logins", bytes.NewReader(k.logins))
}

// variable reads DOCKER_AUTH_CONFIG.
func (k *keychain) variable() (*configfile.ConfigFile, error) {
	const variable = configfile.DockerEnvConfigKey
	return read(variable, strings.NewReader(k.getenv(variable)))
}

// file reads the first of Docker's and Podman's files that is there.
func (k *keychain) file() (*configfile.ConfigFile, error) {
	for _, path := range k.files() {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return configfile.New(path), errors.New(causeOf(err))
		}
		defer f.Close()
		return read(path, f)
	}
	return configfile.New(""), nil
}

// files are where credentials may be, the first that is there counts.
func (k *keychain) files() (paths []string) {
	home := k.getenv("HOME")
	add := func(first string, parts ...string) {
		if first != "" {
			paths = append(paths, filepath.Join(append([]string{first}, parts...)...))
		}
	}
	if docker := k.getenv("DOCKER_CONFIG"); docker != "" {
		add(docker, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(k.getenv("REGISTRY_AUTH_FILE"))
	add(k.getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if settings := k.getenv("XDG_CONFIG_HOME"); settings != "" {
		add(settings, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return paths
}

// read reads a config. Its errors do not quote it.
func read(path string, r io.Reader) (*configfile.ConfigFile, error) {
	config := configfile.New(path)
	data, err := io.ReadAll(io.LimitReader(r, maxConfig))
	if err != nil {
		return config, errors.New(causeOf(err))
	}
	err = config.LoadFromReader(bytes.NewReader(data))
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return config, fmt.Errorf("line %d is not JSON", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
	case errors.As(err, &kind):
		return config, fmt.Errorf("%s is a JSON %s and should not be", kind.Field, kind.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return config, errors.New("its JSON ends too early")
	case err != nil:
		return config, errors.New("an auth in it is not NAME:PASSWORD in base64")
	}
	return config, nil
}

// causeOf is what the operating system says, without the name of the file.
func causeOf(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func (k *keychain) getenv(name string) string {
	for i := len(k.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(k.env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// ask runs a credential helper
// (https://github.com/docker/docker-credential-helpers#development).
func (k *keychain) ask(ctx context.Context, config *configfile.ConfigFile, host, helper, key string) (types.AuthConfig, error) {
	program := "docker-credential-" + helper
	failed := &CredentialsError{Registry: host, File: config.Filename, Helper: program}
	path, err := k.lookPath(program)
	if err != nil {
		failed.Missing, failed.Reason = true, "it is not installed"
		return types.AuthConfig{}, failed
	}
	limited, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, path, helpers.ActionGet)
	cmd.Env = k.env
	cmd.Stdin = strings.NewReader(key)
	cmd.WaitDelay = 2 * time.Second
	killGroup(cmd)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return types.AuthConfig{}, ctx.Err()
	case limited.Err() != nil:
		failed.Reason = fmt.Sprintf("it did not end in %s", k.timeout)
		return types.AuthConfig{}, failed
	case err != nil && helpers.IsErrCredentialsNotFoundMessage(out.String()):
		return types.AuthConfig{}, nil
	case err != nil:
		failed.Reason = err.Error()
		if why := lastWords(said.String(), out.String()); why != "" {
			failed.Reason += ": " + why
		}
		return types.AuthConfig{}, failed
	}
	var found helpers.Credentials
	if json.Unmarshal(out.Bytes(), &found) != nil {
		failed.Reason = "what it prints is not JSON"
		return types.AuthConfig{}, failed
	}
	if found.Username == "<token>" {
		return types.AuthConfig{IdentityToken: found.Secret}, nil
	}
	return types.AuthConfig{Username: found.Username, Password: found.Secret}, nil
}

// lookPath finds a program in the PATH of the keychain's environment.
func (k *keychain) lookPath(program string) (string, error) {
	for _, dir := range filepath.SplitList(k.getenv("PATH")) {
		if filepath.IsAbs(dir) && !strings.ContainsRune(program, filepath.Separator) {
			if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
				return path, nil
			}
		}
	}
	return "", exec.ErrNotFound
}

// lastWords is the last line of what a helper says of its failure: to stderr or, as
// the protocol has it, to stdout, where credentials are printed, too. What looks
// like those is left out.
func lastWords(stderr, stdout string) string {
	line := lastLine(stderr)
	if line == "" && !strings.ContainsAny(stdout, `{}"`) && strings.Count(strings.TrimSpace(stdout), "\n") == 0 {
		line = lastLine(stdout)
	}
	for _, word := range strings.FieldsFunc(stdout, func(r rune) bool { return strings.ContainsRune(" \t\r\n{}\",:", r) }) {
		if strings.ContainsAny(stdout, `{}"`) && len(word) > 3 {
			line = strings.ReplaceAll(line, word, "…")
		}
	}
	return truncate(line, 300)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
