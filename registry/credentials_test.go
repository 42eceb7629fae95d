package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guarded is a registry that lets ann with the password hunter2 in.
func guarded(t *testing.T) *server {
	t.Helper()
	return newServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "ann" && password == "hunter2" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

// home makes a home folder with files, HOST in them being host, of which those in
// bin/ are programs, and gives its environment.
func home(t *testing.T, host string, files map[string]string) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		write(t, path, strings.ReplaceAll(text, "HOST", host))
		if strings.HasPrefix(name, "bin/") {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, []string{"HOME=" + dir, "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
}

var basic = base64.StdEncoding.EncodeToString([]byte("ann:hunter2"))

// Credentials are found where Docker and Podman find them.
func TestKeychain(t *testing.T) {
	t.Parallel()
	auths := `{"auths":{"HOST":{"auth":"` + basic + `"}}}`
	helper := "#!/bin/sh\nread host; [ \"$1 $host\" = 'get HOST' ] && echo '{\"Username\":\"ann\",\"Secret\":\"hunter2\"}'\n"
	for name, test := range map[string]struct {
		files map[string]string
		env   []string // HOME in them being the home
	}{
		"file":           {map[string]string{".docker/config.json": auths}, nil},
		"of a path":      {map[string]string{".docker/config.json": `{"auths":{"HOST/shop/web":{"auth":"` + basic + `"}}}`}, nil},
		"with a scheme":  {map[string]string{".docker/config.json": `{"auths":{"https://HOST/v2/":{"auth":"` + basic + `"}}}`}, nil},
		"DOCKER_CONFIG":  {map[string]string{"d/config.json": auths, ".docker/config.json": "{}"}, []string{"DOCKER_CONFIG=HOME/d"}},
		"podman":         {map[string]string{".config/containers/auth.json": auths}, nil},
		"runtime":        {map[string]string{"run/containers/auth.json": auths}, []string{"XDG_RUNTIME_DIR=HOME/run"}},
		"auth file":      {map[string]string{"a.json": auths}, []string{"REGISTRY_AUTH_FILE=HOME/a.json"}},
		"given":          {map[string]string{".docker/config.json": "{}"}, []string{"LOGINS=" + auths}},
		"variable":       {nil, []string{`DOCKER_AUTH_CONFIG={"auths":{"HOST":{"auth":"` + basic + `"}}}`}},
		"variable, rest": {map[string]string{".docker/config.json": auths}, []string{`DOCKER_AUTH_CONFIG={"auths":{"other.local":{"auth":"` + basic + `"}}}`}},
		"store":          {map[string]string{".docker/config.json": `{"credsStore":"t"}`, "bin/docker-credential-t": helper}, nil},
		"helper":         {map[string]string{".docker/config.json": `{"credsStore":"none","credHelpers":{"HOST":"t"}}`, "bin/docker-credential-t": helper}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := guarded(t)
			dir, env := home(t, srv.Host, test.files)
			for _, v := range test.env {
				env = append(env, strings.ReplaceAll(strings.ReplaceAll(v, "HOST", srv.Host), "HOME/", dir+"/"))
			}
			keys := newKeychain(env, nil)
			keys.logins = []byte(keys.getenv("LOGINS"))
			_, err := newBuilder(t, Options{Keychain: keys}).Resolve(t.Context(), srv.Host+"/shop/web:1")
			if missing := (*NotFoundError)(nil); !errors.As(err, &missing) {
				t.Errorf("not let in: %v", err)
			}
		})
	}
}

// What keeps credentials away is told with the file, the helper and its last word,
// and is not taken for a registry that cannot be reached. What a helper prints as a
// secret is told to nobody. With the trouble out of the way, it works.
func TestKeychainTrouble(t *testing.T) {
	t.Parallel()
	store := map[string]string{".docker/config.json": `{"credsStore":"t"}`}
	with := func(script string) map[string]string {
		return map[string]string{".docker/config.json": store[".docker/config.json"], "bin/docker-credential-t": "#!/bin/sh\n" + script + "\n"}
	}
	for name, test := range map[string]struct {
		files map[string]string
		env   string
		says  []string
	}{
		"not installed":      {store, "", []string{"the credential helper docker-credential-t, which ", "/.docker/config.json names: it is not installed", "install docker-credential-t and put it in PATH"}},
		"helper of one":      {map[string]string{".docker/config.json": `{"credHelpers":{"HOST":"t"}}`}, "", []string{"docker-credential-t", "not installed"}},
		"fails":              {with("echo one >&2; echo 'the vault is sealed' >&2; exit 3"), "", []string{"docker-credential-t", "exit status 3: the vault is sealed", "echo HOST | docker-credential-t get"}},
		"fails on stdout":    {with("echo 'the vault is sealed'; exit 1"), "", []string{"exit status 1: the vault is sealed"}},
		"fails with a word":  {with("exit 1"), "", []string{"names: exit status 1"}},
		"fails with secrets": {with(`echo '{"Username":"ann","Secret":"hunter2"}'; echo 'refused: hunter2' >&2; exit 1`), "", []string{"exit status 1: refused: …"}},
		"secret alone":       {with(`echo '{"Secret":"hunter2"'; exit 1`), "", []string{"names: exit status 1"}},
		"no JSON":            {with(`echo ann hunter2`), "", []string{"what it prints is not JSON"}},
		"not a program":      {map[string]string{".docker/config.json": `{"credsStore":"t"}`, "bin/docker-credential-t": "\x7fELFhunter2"}, "", []string{"docker-credential-t"}},
		"hangs":              {with("exec sleep 1000"), "", []string{"docker-credential-t", "it did not end in 50ms"}},
		"hangs with a child": {with("sleep 1000 & wait"), "", []string{"it did not end in 50ms"}},
		"broken":             {map[string]string{".docker/config.json": "{\n\"auths\": {\"HOST\": hunter2}\n}"}, "", []string{"reading ", "/.docker/config.json: line 2 is not JSON"}},
		"cut off":            {map[string]string{".docker/config.json": `{"auths": {`}, "", []string{"config.json: its JSON ends too early"}},
		"of another kind":    {map[string]string{".docker/config.json": `{"auths": ["hunter2"]}`}, "", []string{"config.json: auths is a JSON array and should not be"}},
		"not base64":         {map[string]string{".docker/config.json": `{"auths": {"HOST": {"auth": "hunter2!"}}}`}, "", []string{"config.json: an auth in it is not NAME:PASSWORD in base64"}},
		"a folder":           {map[string]string{".docker/config.json/x": ""}, "", []string{"config.json: is a directory"}},
		"variable":           {nil, "DOCKER_AUTH_CONFIG={hunter2", []string{"reading DOCKER_AUTH_CONFIG: line 1 is not JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := guarded(t)
			dir, env := home(t, srv.Host, test.files)
			keys := newKeychain(append(env, test.env), nil)
			if strings.Contains(name, "hangs") {
				keys.timeout = 50 * time.Millisecond
			}
			_, err := newBuilder(t, Options{Keychain: keys}).Resolve(t.Context(), srv.Host+"/team/app:1")
			var trouble *CredentialsError
			if !errors.As(err, &trouble) || trouble.Registry != srv.Host {
				t.Fatalf("got %T: %v", err, err)
			}
			said := err.Error() + "; " + trouble.Hint()
			for _, part := range test.says {
				if part = strings.ReplaceAll(part, "HOST", srv.Host); !strings.Contains(said, part) {
					t.Errorf("got  %s\nwant %s", said, part)
				}
			}
			if strings.Contains(said, "hunter2") {
				t.Errorf("a secret is in %s", said)
			}
			// Whatever it was, this is what was missing.
			write(t, filepath.Join(dir, "bin", "docker-credential-t"), "#!/bin/sh\necho '{\"Username\":\"ann\",\"Secret\":\"hunter2\"}'\n")
			if err := os.Chmod(filepath.Join(dir, "bin", "docker-credential-t"), 0o755); err != nil {
				t.Fatal(err)
			}
			if trouble.Helper == "" {
				return
			}
			_, err = newBuilder(t, Options{Keychain: newKeychain(env, nil)}).Resolve(t.Context(), srv.Host+"/team/app:1")
			if missing := (*NotFoundError)(nil); !errors.As(err, &missing) {
				t.Errorf("with a helper that helps: %v", err)
			}
		})
	}
}

// A helper is asked once of a repository, and ends with what wanted it.
func TestKeychainInterrupted(t *testing.T) {
	t.Parallel()
	srv := guarded(t)
	dir, env := home(t, srv.Host, map[string]string{
		".docker/config.json":     `{"credsStore":"t"}`,
		"bin/docker-credential-t": "#!/bin/sh\necho >>$HOME/asked; exec sleep 1000\n",
	})
	ctx, cancel := context.WithCancel(t.Context())
	b := newBuilder(t, Options{Keychain: newKeychain(env, nil)})
	ended := make(chan error)
	for range 3 {
		go func() {
			_, err := b.Resolve(ctx, srv.Host+"/team/app:1")
			ended <- err
		}()
	}
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "asked")); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for range 3 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || len(asked) != 1 {
		t.Errorf("asked %d times, %v", len(asked), err)
	}
}
