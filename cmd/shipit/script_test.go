package main

import (
	"os"
	"path/filepath"
	"testing"

	cue "cuelang.org/go/cmd/cue/cmd"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary stand for the programs that scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"shipit": main,
		"cue":    func() { os.Exit(cue.Main()) },
	})
}

// TestScript runs what a user types and sees without a cluster.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		Setup:               setup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code, "modules": modules},
	})
}

// setup gives a script an empty home, and Go's caches so that builds are fast.
func setup(env *testscript.Env) error {
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN", "SHIPIT_SANDBOX", "SHIPIT_SANDBOX_HOME", "DOCKER_CONFIG"} {
		if v := goEnv(name); v != "" {
			env.Setenv(name, v)
		}
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	env.Setenv("TABLE", filepath.Join(examples, "..", "testdata", "table"))
	env.Setenv("GATEWAY_API", filepath.Join(examples, "..", "openapi", "testdata", "crds"))
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("NO_COLOR", "1")
	return os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o755)
}
