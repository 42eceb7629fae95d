package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelang.org/go/mod/modcache"
	"cuelang.org/go/mod/modregistrytest"
	"github.com/rogpeppe/go-internal/testscript"
)

// goEnv is a variable of the environment, or what `go env` says of it.
func goEnv(name string) string {
	if v := os.Getenv(name); v != "" || !strings.HasPrefix(name, "GO") {
		return v
	}
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(out))
}

// code runs a command and demands its exit code: `code 4 shipit deploy`.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// modules starts a registry of CUE modules and names it in CUE_REGISTRY.
func modules(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: modules")
	}
	r, err := modregistrytest.NewServer(ocimem.New(), nil)
	ts.Check(err)
	ts.Defer(r.Close)
	ts.Setenv("CUE_REGISTRY", r.Host())
	// The cache is read-only, which else nobody could remove.
	cache := ts.MkAbs("cache")
	ts.Setenv("CUE_CACHE_DIR", cache)
	ts.Defer(func() { ts.Check(modcache.RemoveAll(cache)) })
}
