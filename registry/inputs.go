package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// tagPrefix and the inputs' key make the tag that a build is found by.
	tagPrefix = "shipit-"
	// formatVersion is part of every key. Raise it when the same inputs come
	// to give another image.
	formatVersion = "1"
)

// inputsKey hashes everything that the image of s is made of: the files of
// every package it is built from, the modules' versions, the toolchain, the
// flags, the base. It is "" when the packages cannot all be read, which the
// compiler then explains better.
func (b *Builder) inputsKey(ctx context.Context, s *goSource) (string, error) {
	parts := make([][]byte, len(s.platforms))
	g, gctx := errgroup.WithContext(ctx)
	var tools toolchain
	g.Go(func() (err error) {
		tools, err = b.toolchain(gctx, s)
		return err
	})
	for i, p := range s.platforms {
		g.Go(func() (err error) {
			parts[i], err = b.packagesSum(gctx, s, p)
			return err
		})
	}
	switch err := g.Wait(); {
	case errors.Is(err, errUnreadable):
		return "", nil
	case err != nil:
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "format %s\nname %q\ncreated %d\nbase %s\nldflags %s\n", formatVersion, s.name, b.opts.Created.Unix(), b.base.digest, ldflags)
	fmt.Fprintf(h, "go %q %q %q\n", tools.GOVERSION, tools.GOEXPERIMENT, tools.GOFIPS140)
	if err := hashModuleFiles(h, s.module, tools.GOWORK); err != nil {
		return "", err
	}
	for i, p := range s.platforms {
		fmt.Fprintf(h, "platform %s\nenv %q\n%x\n", p, goEnv(p), parts[i])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// errUnreadable ends the hashing of packages that do not load.
var errUnreadable = errors.New("packages do not load")

// toolchain is what `go env -json` says of the toolchain that the module
// selects.
type toolchain struct{ GOVERSION, GOEXPERIMENT, GOFIPS140, GOWORK string }

func (b *Builder) toolchain(ctx context.Context, s *goSource) (t toolchain, err error) {
	stdout, stderr, err := b.goCommand(ctx, s, s.platforms[0], "env", "-json", "GOVERSION", "GOEXPERIMENT", "GOFIPS140", "GOWORK")
	if err != nil {
		return t, goFailed(err, s, stderr)
	}
	return t, json.Unmarshal(stdout, &t)
}

// goFailed turns a go command that ended with an error into a CompileError.
func goFailed(err error, s *goSource, stderr []byte) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &CompileError{Package: s.pkg, Output: fromProject(string(stderr), s.pkg)}
	}
	return err
}

// goPackage is what is read of `go list -json`.
type goPackage struct {
	Dir, ImportPath, Name, DefaultGODEBUG string
	Standard, DepOnly                     bool
	Module                                *goModule
	Error                                 *struct{ Err string }
	GoFiles, SFiles, HFiles, SysoFiles    []string
	EmbedFiles                            []string
}

type goModule struct {
	Path, Version, GoVersion string
	Replace                  *goModule
}

const listFields = "Dir,ImportPath,Name,DefaultGODEBUG,Standard,DepOnly,Module,Error,GoFiles,SFiles,HFiles,SysoFiles,EmbedFiles"

// packagesSum hashes the packages that the program for p is built from. Those
// of the standard library are named by the toolchain's version, those of the
// module cache by their module's version, since go.sum is hashed too; of the
// rest, the files are read.
func (b *Builder) packagesSum(ctx context.Context, s *goSource, p v1.Platform) ([]byte, error) {
	stdout, stderr, err := b.goCommand(ctx, s, p, "list", "-e", "-deps", "-json="+listFields, ".")
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && bytes.Contains(stderr, []byte("matched no packages")) {
			return nil, &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "no Go files"}
		}
		return nil, goFailed(err, s, stderr)
	}
	h := sha256.New()
	unreadable := false
	for dec := json.NewDecoder(bytes.NewReader(stdout)); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list says of %s: %w", s.pkg, err)
		}
		if !pkg.DepOnly {
			if err := checkMain(s, &pkg); err != nil {
				return nil, err
			}
		}
		if pkg.Error != nil {
			unreadable = true
			continue
		}
		if err := hashPackage(h, &pkg); err != nil {
			return nil, err
		}
	}
	if unreadable {
		return nil, errUnreadable
	}
	return h.Sum(nil), nil
}

// checkMain tells a package that is none, or makes no program.
func checkMain(s *goSource, pkg *goPackage) error {
	if pkg.Name == "" && pkg.Error != nil {
		if strings.Contains(pkg.Error.Err, "no Go files") || strings.Contains(pkg.Error.Err, "build constraints exclude all Go files") {
			return &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "no Go files for " + s.platforms[0].String()}
		}
		return nil // the compiler says it better
	}
	if pkg.Name != "main" {
		return &NotMainError{Package: s.pkg, Name: pkg.Name}
	}
	return nil
}

func hashPackage(h hash.Hash, pkg *goPackage) error {
	fmt.Fprintf(h, "package %q %q %q\n", pkg.ImportPath, pkg.Name, pkg.DefaultGODEBUG)
	if pkg.Standard {
		return nil
	}
	if m := pkg.Module; m != nil {
		r := m
		if m.Replace != nil {
			r = m.Replace
		}
		fmt.Fprintf(h, "module %q %q %q %q go %q\n", m.Path, m.Version, r.Path, r.Version, m.GoVersion)
		if r.Version != "" && strings.Contains(pkg.Dir, "@"+r.Version) {
			// In the module cache, which the go command checks against
			// go.sum; vendored copies it does not check.
			return nil
		}
	}
	files := slices.Concat(pkg.GoFiles, pkg.SFiles, pkg.HFiles, pkg.SysoFiles, pkg.EmbedFiles)
	if pkg.Name == "main" {
		// Profile-guided optimisation takes it up when it is there.
		files = append(files, "default.pgo")
	}
	slices.Sort(files)
	for _, f := range slices.Compact(files) {
		if err := hashFile(h, f, filepath.Join(pkg.Dir, f)); err != nil {
			return err
		}
	}
	return nil
}

// hashModuleFiles hashes what chooses versions and language: they end up in
// the binary's build information.
func hashModuleFiles(h hash.Hash, module, work string) error {
	for _, f := range []string{"go.mod", "go.sum", "vendor/modules.txt"} {
		if err := hashFile(h, f, filepath.Join(module, f)); err != nil {
			return err
		}
	}
	if work == "" || work == "off" {
		return nil
	}
	if err := hashFile(h, "go.work", work); err != nil {
		return err
	}
	return hashFile(h, "go.work.sum", work+".sum")
}

// hashFile adds a file's name and content; a file that is not there adds
// nothing.
func hashFile(h hash.Hash, name, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "file %q %d\n", name, info.Size())
	_, err = io.Copy(h, f)
	return err
}
