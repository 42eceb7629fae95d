package schema

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cuelang.org/go/mod/modconfig"
	"cuelang.org/go/mod/module"
)

// A credential helper that hangs does not hold a load for longer than its context.
func TestHelperThatHangs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH")) // where CUE looks for helpers
	for name, text := range map[string]string{
		"config.json":             `{"credsStore": "hangs"}`,
		"docker-credential-hangs": "#!/bin/sh\necho >\"$DOCKER_CONFIG/runs\"; while [ -e \"$DOCKER_CONFIG/runs\" ]; do sleep 0.05; done\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := newModules(ctx, append(os.Environ(), "DOCKER_CONFIG="+dir, "CUE_REGISTRY=127.0.0.1:1+insecure", "CUE_CACHE_DIR="+dir))
	go func() {
		for _, err := os.Stat(filepath.Join(dir, "runs")); err != nil && t.Context().Err() == nil; _, err = os.Stat(filepath.Join(dir, "runs")) {
			time.Sleep(time.Millisecond) // nothing tells when it runs
		}
		cancel()
	}()
	mv := module.MustNewVersion("a.example@v0", "v0.0.1")
	if _, err := fetch(m, mv, modconfig.CachedRegistry.ModFile); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = os.Remove(filepath.Join(dir, "runs"))
}
