package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/rule"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

const (
	importPath = "shipit.dev/v1"
	moduleFile = "cue.mod/module.cue"

	// localModuleFile replaces modules on one machine.
	localModuleFile = "cue.mod/local-module.cue"

	vendorDir = "cue.mod/pkg/shipit.dev/v1"
)

// Project is a directory that holds a CUE package, and the module around it.
type Project struct {
	Dir  string // where the package is, absolute; positions are relative to it
	Root string // the module's root, which holds cue.mod, absolute

	modules *modules // that it depends on; nil has none
}

// Find gives the project that dir belongs to: the module is the first one at or
// above dir, and the package is in the nearest folder from dir up to the
// module's root that holds CUE files. The error is of type Errors.
func Find(dir string) (Project, error) {
	root, abs, err := findModule(dir)
	if err != nil {
		return Project{}, err
	}
	if rel, err := filepath.Rel(root, abs); err == nil && strings.Split(filepath.ToSlash(rel), "/")[0] == "cue.mod" {
		abs = root
	}
	for p := abs; ; p = filepath.Dir(p) {
		if hasCUE(p) {
			return Project{Dir: p, Root: root}, nil
		}
		if p == root {
			return Project{}, Errors{{
				Code:    rule.NoApp,
				Message: fmt.Sprintf("no CUE files in %s", abs),
				Hint:    "run `shipit init` to make an App to start from",
			}}.sorted()
		}
	}
}

// findModule gives the root of the module that dir is in, and dir, both absolute.
// A dir that is in none is given with the error.
func findModule(dir string) (root, abs string, err error) {
	if abs, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		return "", "", Errors{{
			Code:    rule.NoProject,
			Message: fmt.Sprintf("%s is a file, not a folder", dir),
			Hint:    "a project is all of a folder: -C " + filepath.Dir(dir),
		}}.sorted()
	}
	if err != nil {
		return "", "", Errors{{
			Code:    rule.NoProject,
			Message: fmt.Sprintf("there is no folder %s", dir),
		}}.sorted()
	}
	root = abs
	for {
		info, err := os.Stat(filepath.Join(root, "cue.mod"))
		if err == nil && info.IsDir() {
			break
		}
		parent := filepath.Dir(root)
		if parent == root {
			return "", abs, Errors{{
				Code:    rule.NoProject,
				Message: fmt.Sprintf("no project here: neither %s nor a folder above it has a cue.mod", abs),
				Hint:    "run `shipit init` to make one, or name the project's folder",
			}}.sorted()
		}
		root = parent
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(moduleFile))); err != nil {
		return "", "", Errors{{
			Code:    rule.NoProject,
			Message: fmt.Sprintf("%s has a cue.mod, but no %s", root, moduleFile),
			Hint:    "run `shipit init` to make one",
		}}.sorted()
	}
	return root, abs, nil
}

func hasCUE(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if isSource(e.Name()) && !e.IsDir() {
			return true
		}
	}
	return false
}

// isSource reports whether CUE would read a file of this name.
func isSource(name string) bool {
	return strings.HasSuffix(name, ".cue") && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".")
}

// stale compares the project's vendored copy of the schema with this
// program's. The binary never reads it; editors and `cue vet` do.
func (p Project) stale() []*Error {
	dir := filepath.Join(p.Root, filepath.FromSlash(vendorDir))
	warn := func(msg string) []*Error {
		return []*Error{{
			Code:    rule.StaleSchema,
			Message: msg,
			Why:     "shipit reads its own copy, but `cue vet` and editors read that one",
			Hint:    "run `shipit init --update`",
		}}
	}
	have, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return warn(fmt.Sprintf("the project has no %s", vendorDir))
	}
	want := v1.Files()
	n := 0
	for _, e := range have {
		if !strings.HasSuffix(e.Name(), ".cue") {
			continue
		}
		n++
		data, err := p.read(filepath.Join(dir, e.Name()))
		if err != nil || want[e.Name()] == nil || string(data) != string(want[e.Name()]) {
			return warn(fmt.Sprintf("%s is not the one of this version of shipit", vendorDir))
		}
	}
	if n != len(want) {
		return warn(fmt.Sprintf("%s is not the one of this version of shipit", vendorDir))
	}
	return nil
}

// bareSchema is the schema for evaluating it: without its comments, which are more
// than half of what there is to parse. Lines keep their numbers.
var bareSchema = sync.OnceValue(func() map[string][]byte {
	files := v1.Files()
	for name, data := range files {
		bare := make([]byte, 0, len(data))
		for line := range bytes.Lines(data) {
			if bytes.HasPrefix(bytes.TrimLeft(line, "\t"), []byte("//")) {
				line = []byte("\n")
			}
			bare = append(bare, line...)
		}
		files[name] = bare
	}
	return files
})

// relaxedSchema is the schema with the same definitions, all of them open: with it
// CUE evaluates what the user wrote and finds only what is wrong in itself.
var relaxedSchema = sync.OnceValue(func() map[string][]byte {
	return definitions("{"+appFields+", ...}", "_")
})

// appFields are what an App has by itself: what it is known by, and what is filled in.
const appFields = `_schema: "` + importPath + `", environment: *"" | string`

// scalarSchema is the schema with its definitions of scalars, and structs that are
// open.
var scalarSchema = sync.OnceValue(func() map[string][]byte { return definitions("{...}", "") })

// definitions gives the schema's, those of structs open: with what #App is, and what
// is no struct, where that is not what it says itself.
func definitions(app, scalar string) map[string][]byte {
	b := []byte("package v1\n")
	for _, data := range v1.Files() {
		for line := range bytes.Lines(data) {
			name, value, ok := strings.Cut(string(line), ": ")
			switch {
			case !ok || name[0] != '#':
				continue
			case name == "#App":
				value = app
			case value == "{\n":
				value = "{...}"
			case scalar != "":
				value = scalar
			}
			b = fmt.Appendf(b, "%s: %s\n", name, value)
		}
	}
	return map[string][]byte{"definitions.cue": b}
}

// overlay is what CUE's loader finds below cue.mod instead of what is on disk:
// the given schema, whole. Other files of the same package there (a stale
// vendored copy, or what cue.mod/gen and cue.mod/usr would add) become ones of
// a package that nobody imports, as an overlay cannot remove them. (The loader
// can also read from an fs.FS, but finds no packages in cue.mod/pkg then.)
func (p Project) overlay(schema map[string][]byte) map[string]load.Source {
	files := map[string]load.Source{}
	for _, kind := range []string{"gen", "usr", "pkg"} {
		dir := filepath.Join(p.Root, "cue.mod", kind, filepath.FromSlash(importPath))
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // nothing to hide
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".cue") {
				files[filepath.Join(dir, e.Name())] = load.FromString("package hidden_by_shipit")
			}
		}
	}
	for name, data := range schema {
		files[filepath.Join(p.Root, filepath.FromSlash(vendorDir), name)] = load.FromBytes(data)
	}
	return files
}

// file makes the name of one of the module's files relative to the project,
// with slashes.
func (p Project) file(name string) string {
	rel, err := filepath.Rel(p.Dir, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// pos translates a position of CUE's; one in the schema is the zero Pos, as it
// means nothing to a user.
func (p Project) pos(t token.Pos) Pos {
	if !t.IsValid() || t.Filename() == "" || p.isSchema(t.Filename()) {
		return Pos{}
	}
	at := p.in(t.Filename())
	at.Line, at.Column = t.Line(), t.Column()
	return at
}

// in gives a Pos in a file, without line and column.
func (p Project) in(name string) Pos {
	if module, folder := p.modules.of(name); module != "" {
		p.Dir = folder
		return Pos{Module: module, File: p.file(name)}
	}
	return Pos{File: p.file(name)}
}

func (p Project) isSchema(file string) bool {
	return filepath.Dir(file) == filepath.Join(p.Root, filepath.FromSlash(vendorDir))
}
