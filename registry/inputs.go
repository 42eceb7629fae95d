package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
func (b *Builder) inputsKey(s *goSource) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "format %s\nname %q\ncreated %d\nbase %s\nldflags %s\n", formatVersion, s.name, b.opts.Created.Unix(), b.base.digest, ldflags)
	for i, p := range s.platforms {
		fmt.Fprintf(h, "platform %s\nenv %q\n", p, goEnv(p))
		switch err := s.listings[i].hashProgram(h, s); {
		case errors.Is(err, errUnreadable):
			return "", nil
		case err != nil:
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// checkMain tells a package that is none, or makes no program.
func (s *goSource) checkMain(pkg *goPackage, p v1.Platform) error {
	if pkg.Name == "" && pkg.Error != nil {
		if strings.Contains(pkg.Error.Err, "no Go files") || strings.Contains(pkg.Error.Err, "build constraints exclude all Go files") {
			return &NoPackageError{Package: s.pkg, Dir: s.dir, Reason: "no Go files for " + p.String()}
		}
		return nil // the compiler says it better
	}
	if pkg.Name != "main" {
		return &NotMainError{Package: s.pkg, Name: pkg.Name}
	}
	return nil
}

// hashPackage adds a package that is not of the standard library. Those of the
// module cache are named by their module's version, since go.sum is hashed
// too; of the rest, the files are read.
func hashPackage(h hash.Hash, pkg *goPackage) error {
	fmt.Fprintf(h, "package %q %q %q\n", pkg.ImportPath, pkg.Name, pkg.DefaultGODEBUG)
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
