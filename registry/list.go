package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// listing is what the go command says, in one module and for one platform, of
// several programs at once. Asking is slow and the answers overlap, so that
// programs of one module share a listing; what is taken from it for one of
// them does not depend on the others.
type listing struct {
	platform v1.Platform
	err      error // nothing can be said of any of the programs
	// toolchain is the one that the module selects, and module the hash of
	// the module's own files.
	toolchain toolchain
	module    []byte
	// programs are the packages asked for, by the pattern that names them.
	programs map[string]*goPackage
	// packages are the hashes of all of them and of what they import, by
	// import path. The standard library is left out: the toolchain's version
	// stands for it.
	packages map[string]packageSum
	// incomplete are those with an error, and partly those with files that are left
	// out, by import path.
	incomplete, partly map[string]*goPackage
}

// packageSum is the hash of a package's files, or why they cannot be read.
type packageSum struct {
	sum []byte
	err error
}

// toolchain is what is read of `go env -json`.
type toolchain struct{ GOVERSION, GOEXPERIMENT, GOFIPS140, GOWORK string }

// goPackage is what is read of `go list -json`.
type goPackage struct {
	Dir, ImportPath, Name, DefaultGODEBUG string
	Standard                              bool
	Match                                 []string // the patterns that named it
	Module                                *goModule
	Error                                 *struct{ Err string }
	Incomplete                            bool     // it, or one of Deps, has an error
	Deps                                  []string // all that it imports, directly or not
	GoFiles, SFiles, HFiles, SysoFiles    []string
	EmbedFiles, IgnoredGoFiles            []string
}

type goModule struct {
	Path, Version, GoVersion string
	Replace                  *goModule
}

const listFields = "Dir,ImportPath,Name,DefaultGODEBUG,Standard,Match,Module,Error,Incomplete,Deps,GoFiles,SFiles,HFiles,SysoFiles,EmbedFiles,IgnoredGoFiles"

// list gives each source its listings, one for each of its platforms, and
// makes them: one for all sources of the same module on the same platform.
func (b *Builder) list(ctx context.Context, sources []*goSource) {
	type place struct{ root, platform string }
	listings := map[place]*listing{}
	patterns := map[place][]string{}
	for _, s := range sources {
		s.listings = nil
		for _, p := range s.platforms {
			at := place{s.root, p.String()}
			if listings[at] == nil {
				listings[at] = &listing{platform: p}
			}
			s.listings = append(s.listings, listings[at])
			patterns[at] = append(patterns[at], s.pattern)
		}
	}
	var g errgroup.Group
	g.SetLimit(b.opts.Jobs)
	for at, l := range listings {
		g.Go(func() error {
			l.err = b.readListing(ctx, l, at.root, patterns[at])
			return nil
		})
	}
	_ = g.Wait() // every error is in its listing
}

func (b *Builder) readListing(ctx context.Context, l *listing, root string, patterns []string) error {
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	var packages []byte
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		stdout, err := b.goCommand(gctx, root, l.platform, "env", "-json", "GOVERSION", "GOEXPERIMENT", "GOFIPS140", "GOWORK")
		if err != nil {
			return err
		}
		return json.Unmarshal(stdout, &l.toolchain)
	})
	g.Go(func() (err error) {
		// A profile makes the go command list a copy of every package for the
		// program that has it; the profile is hashed, copies are of no use.
		args := append([]string{"list", "-e", "-deps", "-pgo=off", "-json=" + listFields, "--"}, patterns...)
		packages, err = b.goCommand(gctx, root, l.platform, args...)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	h := sha256.New()
	if err := hashModuleFiles(h, nearest(root, "go.mod"), l.toolchain.GOWORK); err != nil {
		return err
	}
	l.module = h.Sum(nil)
	return l.readPackages(packages)
}

// readPackages takes up the answer of go list.
func (l *listing) readPackages(answer []byte) error {
	l.programs = map[string]*goPackage{}
	l.packages = map[string]packageSum{}
	l.incomplete, l.partly = map[string]*goPackage{}, map[string]*goPackage{}
	for dec := json.NewDecoder(bytes.NewReader(answer)); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading what go list says: %w", err)
		}
		for _, pattern := range pkg.Match {
			l.programs[pattern] = &pkg
		}
		switch {
		case pkg.Standard:
		case pkg.Error != nil:
			l.incomplete[pkg.ImportPath] = &pkg
		case len(pkg.IgnoredGoFiles) > 0:
			l.partly[pkg.ImportPath] = &pkg
		}
		if !pkg.Standard && pkg.Error == nil {
			h := sha256.New()
			err := hashPackage(h, &pkg)
			l.packages[pkg.ImportPath] = packageSum{h.Sum(nil), err}
		}
	}
}

// errUnreadable says that not all of a program's packages load, which the
// compiler explains better.
var errUnreadable = errors.New("packages do not load")

// hashProgram adds what the go command says of one program to h: the packages
// that it is built from and no others.
func (l *listing) hashProgram(h hash.Hash, s *goSource) error {
	if l.err != nil {
		return s.failed(s.root, l.err)
	}
	program := l.programs[s.pattern]
	if program == nil {
		return errUnreadable
	}
	if err := l.needsCgo(s, program); err != nil {
		return err
	}
	if err := s.checkMain(program, l.platform); err != nil {
		return err
	}
	if program.Incomplete {
		return errUnreadable
	}
	t := l.toolchain
	fmt.Fprintf(h, "go %q %q %q\nmodule %x\n", t.GOVERSION, t.GOEXPERIMENT, t.GOFIPS140, l.module)
	paths := append(slices.Clone(program.Deps), program.ImportPath)
	slices.Sort(paths)
	for _, path := range paths {
		pkg, ok := l.packages[path]
		if !ok {
			continue // of the standard library
		}
		if pkg.err != nil {
			return pkg.err
		}
		fmt.Fprintf(h, "package %q %x\n", path, pkg.sum)
	}
	return nil
}
