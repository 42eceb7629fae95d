package registry

import (
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// CgoError is a program that needs a package whose Go files all need cgo, which
// images are built without.
type CgoError struct {
	Package string   // as the caller wrote it: "./web"
	Import  string   // the package's import path
	Files   []string // that import "C"
}

func (e *CgoError) Error() string {
	return fmt.Sprintf(`%s needs cgo, and images are built without it: all Go files of %s import "C" (%s)`, e.Package, e.Import, strings.Join(e.Files, ", "))
}

// Hint tells the ways out.
func (e *CgoError) Hint() string {
	return "use a package in pure Go in its place, or build the image elsewhere and name it: image: \"…\""
}

// cgoFiles are those of a package's files that are left out since they import "C",
// and would not be with cgo.
func cgoFiles(pkg *goPackage, p v1.Platform) (files []string) {
	with := build.Default
	with.GOOS, with.GOARCH, with.CgoEnabled = p.OS, p.Architecture, true
	for _, name := range pkg.IgnoredGoFiles {
		if ok, err := with.MatchFile(pkg.Dir, name); err != nil || !ok {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.ImportsOnly)
		if err != nil {
			continue
		}
		for _, imported := range f.Imports {
			if imported.Path.Value == `"C"` {
				files = append(files, name)
			}
		}
	}
	return files
}

// needsCgo gives the first package of a program that has nothing but cgo, or nil.
func (l *listing) needsCgo(s *goSource, program *goPackage) error {
	for _, path := range append([]string{program.ImportPath}, program.Deps...) {
		if pkg := l.incomplete[path]; pkg != nil && len(pkg.GoFiles) == 0 {
			if files := cgoFiles(pkg, l.platform); len(files) > 0 {
				return &CgoError{Package: s.pkg, Import: path, Files: files}
			}
		}
	}
	return nil
}

// leftOut names the packages of a program with files that need cgo, which is why
// what is declared there may be missing.
func (s *goSource) leftOut() (packages []string) {
	for _, l := range s.listings {
		program := l.programs[s.pattern]
		if program == nil {
			continue
		}
		for _, at := range append([]string{program.ImportPath}, program.Deps...) {
			if pkg := l.partly[at]; pkg != nil {
				for _, f := range cgoFiles(pkg, l.platform) {
					packages = append(packages, path.Join(at, f))
				}
			}
		}
		break
	}
	return packages
}
