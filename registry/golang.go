package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// goSource is a GoBuild that was looked at: its directories exist.
type goSource struct {
	name    string // of the service and the binary
	pkg     string // as the caller wrote it
	project string // the project's directory, absolute
	dir     string // the package's directory, absolute
	// root is the nearest directory, dir or one above it, with a go.mod or a
	// go.work: there the go command finds the same ones as in dir.
	root      string
	pattern   string // the package as seen from root: "./web"
	platforms []v1.Platform
	listings  []*listing // one for each platform, once they are made
}

// HostPlatform is what is built for when nothing else is asked for: linux on the
// architecture of this machine.
func HostPlatform() string { return "linux/" + runtime.GOARCH }

func newGoSource(spec Build) (*goSource, error) {
	g := spec.Go
	s := &goSource{name: spec.Name, pkg: g.Package, project: g.Dir, dir: filepath.Join(g.Dir, filepath.FromSlash(g.Package))}
	if !filepath.IsAbs(s.dir) {
		return nil, &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "its directory is not absolute"}
	}
	switch info, err := os.Stat(s.dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "no such directory"}
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "it is a file, not a directory"}
	}
	if nearest(s.dir, "go.mod") == "" {
		return nil, &NoModuleError{Package: s.pkg, Dir: s.dir}
	}
	s.root = nearest(s.dir, "go.mod", "go.work")
	s.pattern = "."
	if s.dir != s.root {
		s.pattern = "./" + within(s.root, s.dir)
	}
	platforms := g.Platforms
	if len(platforms) == 0 {
		platforms = []string{HostPlatform()}
	}
	for _, p := range platforms {
		parsed, err := parsePlatform(p)
		if err != nil {
			return nil, err
		}
		s.platforms = append(s.platforms, parsed)
	}
	return s, nil
}

// nearest finds the directory, dir or one above it, that has a file of one of
// the names, as the go command does. It is "" when there is none.
func nearest(dir string, names ...string) string {
	for {
		for _, name := range names {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
				return dir
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// within writes an absolute directory as seen from another, with slashes.
func within(base, dir string) string {
	rel, err := filepath.Rel(base, dir)
	if err != nil {
		return dir // on another volume
	}
	return filepath.ToSlash(rel)
}

// parsePlatform reads linux/ARCH[/VARIANT]. Scratch images have no other
// operating system to run on.
func parsePlatform(s string) (v1.Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[1] == "" {
		return v1.Platform{}, &BadPlatformError{Platform: s, Reason: "write it as linux/ARCH, such as linux/arm64"}
	}
	if parts[0] != "linux" {
		return v1.Platform{}, &BadPlatformError{Platform: s, Reason: "only linux images are built"}
	}
	p := v1.Platform{OS: "linux", Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
		if !variantPattern().MatchString(p.Variant) {
			return v1.Platform{}, &BadPlatformError{Platform: s, Reason: "a variant is such as v7"}
		}
	}
	return p, nil
}

func variantPattern() *regexp.Regexp { return regexp.MustCompile(`^v[0-9]+(\.[0-9]+)?$`) }

// buildFlags make the binary depend on its source and toolchain alone: no
// paths of this machine, no version control state (which changes with every
// commit, whether or not it touches this package), no build id.
const (
	buildFlags = "-trimpath -buildvcs=false"
	ldflags    = "-s -w -buildid="
)

// goEnv is what the go command gets on top of the caller's environment.
// Whatever changes the binary is given a value, because an empty one falls
// back to the user's `go env -w`. The choice of toolchain stays the user's
// (GOTOOLCHAIN, GOEXPERIMENT, GOFIPS140) and is part of the inputs' hash.
func goEnv(p v1.Platform) []string {
	env := []string{
		"GO111MODULE=on",
		"CGO_ENABLED=0",
		"GOFLAGS=" + buildFlags,
		"GOOS=" + p.OS,
		"GOARCH=" + p.Architecture,
	}
	version := strings.TrimPrefix(p.Variant, "v")
	switch p.Architecture {
	case "amd64":
		env = append(env, "GOAMD64=v"+or(version, "1"))
	case "arm64":
		env = append(env, "GOARM64=v"+or(version, "8")+dotZero(version))
	case "arm":
		env = append(env, "GOARM="+or(version, "7"))
	case "386":
		env = append(env, "GO386=sse2")
	case "ppc64", "ppc64le":
		env = append(env, "GOPPC64=power8")
	case "riscv64":
		env = append(env, "GORISCV64=rva20u64")
	case "mips", "mipsle":
		env = append(env, "GOMIPS=hardfloat")
	case "mips64", "mips64le":
		env = append(env, "GOMIPS64=hardfloat")
	}
	return env
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// dotZero completes "8" to "8.0": OCI writes arm64's variant v8, Go v8.0.
func dotZero(version string) string {
	if strings.Contains(version, ".") {
		return ""
	}
	return ".0"
}

// goError is a go command that ended with an error, and what it said.
type goError struct {
	stderr string
	err    error
}

func (e *goError) Error() string { return e.err.Error() }

// goCommand runs the go command in dir and gives its output. Cancelling ctx
// kills it with the compilers it started. Errors: *goError, *NoGoError.
func (b *Builder) goCommand(ctx context.Context, dir string, p v1.Platform, args ...string) ([]byte, error) {
	return b.goCommandWith(ctx, dir, goEnv(p), args...)
}

func (b *Builder) goCommandWith(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.opts.GoCommand, args...)
	cmd.Dir = dir
	cmd.Env = b.opts.Env
	cmd.Env = append(cmd.Environ(), env...)
	cmd.WaitDelay = 2 * time.Second
	killGroup(cmd)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cerr := ctx.Err(); cerr != nil {
		return nil, cerr
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return nil, &goError{stderr: errs.String(), err: err}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return nil, &NoGoError{Err: err}
	}
	return out.Bytes(), err
}

// failed turns what the go command said in dir about s into a CompileError, or
// into a BrokenGoError when it did not get as far as the source.
func (s *goSource) failed(dir string, err error) error {
	var said *goError
	if !errors.As(err, &said) {
		return err
	}
	if machines().MatchString(said.stderr) {
		return &BrokenGoError{Output: strings.TrimSpace(said.stderr)}
	}
	return &CompileError{Package: s.pkg, Output: fromProject(said.stderr, within(s.project, dir)), Cgo: s.leftOut()}
}

// machines is what the go command says of its caches and the disk, and never of a
// program.
func machines() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^(failed to initialize build cache|build cache is (required|disabled)|go: creating work dir|go: could not create module cache|module cache not found)|: (no space left on device|read-only file system)$`)
}

// compile builds the binary for p to the file out.
func (b *Builder) compile(ctx context.Context, s *goSource, p v1.Platform, out string) error {
	_, err := b.goCommand(ctx, s.dir, p, "build", "-ldflags="+ldflags, "-o", out, ".")
	return s.failed(s.dir, err)
}

// fromProject rewrites the file names in the go command's messages, which are
// relative to dir, to be relative to the project's directory, as dir is.
func fromProject(output, dir string) string {
	position := regexp.MustCompile(`(?m)^(\t?(?:vet: )?)([^\s:/][^\s:]*\.(?:go|s|mod|sum|work)):(\d+)`)
	output = position.ReplaceAllStringFunc(output, func(m string) string {
		sub := position.FindStringSubmatch(m)
		return sub[1] + path.Join(dir, sub[2]) + ":" + sub[3]
	})
	return strings.TrimRight(output, "\n")
}

// unheeded warns, once, of what the user has set for builds and an image does not
// heed: from wherever the go command takes it.
func (b *Builder) unheeded(ctx context.Context, s *goSource) {
	if b.opts.Warn == nil || b.warned.Swap(true) {
		return
	}
	answer, err := b.goCommandWith(ctx, s.root, nil, "env", "-changed", "-json")
	var set map[string]string
	if err != nil || json.Unmarshal(answer, &set) != nil {
		return // an older go command, or one that says soon what is wrong
	}
	for _, ours := range goEnv(s.platforms[0]) {
		name, value, _ := strings.Cut(ours, "=")
		theirs := set[name]
		if theirs == "" || theirs == value || name == "GOFLAGS" && harmless(theirs) {
			continue
		}
		b.opts.Warn(fmt.Sprintf("%s=%s, as `go env` has it, is not heeded: an image is to be the same whoever builds it", name, theirs))
	}
}

// harmless reports whether flags for the go command make no other program.
func harmless(flags string) bool {
	for _, flag := range strings.Fields(flags) {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if !slices.Contains([]string{"trimpath", "buildvcs", "v", "x", "p", "modcacherw"}, name) {
			return false
		}
	}
	return true
}
