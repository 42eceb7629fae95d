package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/schema/rule"
)

// guard keeps CUE's loader to files of the project, and of the modules that it
// depends on, that can be read to their end. The loader reads a file before it
// parses it, and the packages that a file imports after that: so a folder is looked
// at when it is first imported.
type guard struct {
	project Project
	overlay map[string]load.Source
	without map[string]bool // imports that are taken out
	own     func() string   // the module's path

	mu      sync.Mutex
	folders map[string]bool // that were looked at
	refused Errors
}

// What is refused, and why.
const (
	outsideProject = "this is a link to a file outside the project"
	notRegular     = "this is no regular file"
	insideGit      = "this is a file of git's own, not of the project"
	onlyProject    = "only files of the project are read"
)

// refuse keeps an error, and gives one for the loader.
func (g *guard) refuse(e *Error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.ContainsFunc(g.refused, func(known *Error) bool { return known.Pos == e.Pos && known.Message == e.Message }) {
		g.refused = append(g.refused, e)
	}
	return e
}

// parse is how the loader parses a file.
func (g *guard) parse(name string, src any, cfg parser.Config) (*ast.File, error) {
	_, ours := g.overlay[name]
	at := g.project.in(name)
	at.Line, at.Column = 1, 1
	if !ours {
		if !g.inside(name) {
			return nil, g.refuse(&Error{Code: rule.Import, Pos: at, Message: outsideProject, Why: onlyProject})
		}
		if data, ok := src.([]byte); ok {
			if e := unreadable(name, data, at); e != nil {
				return nil, g.refuse(e)
			}
		}
	}
	f, err := parser.ParseFile(name, src, cfg)
	if f == nil || ours {
		return f, err
	}
	if len(g.without) > 0 {
		removeImports(f, g.without)
	}
	for s := range f.ImportSpecs() {
		path, err := literal.Unquote(s.Path.Value)
		if err != nil {
			continue // the parser says so
		}
		for _, folder := range g.imported(path) {
			if err := g.folder(folder); err != nil {
				return nil, err
			}
		}
	}
	if err := g.embedded(name, f); err != nil {
		return nil, err
	}
	if text, ok := src.([]byte); ok && err == nil {
		if err := g.costs(f, text); err != nil {
			return nil, err
		}
	}
	return f, err
}

// inside reports whether a file is really one of the project, or of the module
// that it is in.
func (g *guard) inside(name string) bool {
	_, err := below(g.project.rootOf(name), name)
	return err == nil
}

// imported gives the folders that a package could be read from.
func (g *guard) imported(path string) []string {
	path, _, _ = strings.Cut(path, ":")
	path, _, _ = strings.Cut(path, "@")
	var folders []string
	for _, kind := range []string{"gen", "usr", "pkg"} {
		folders = append(folders, filepath.Join(g.project.Root, "cue.mod", kind, filepath.FromSlash(path)))
	}
	own := g.own()
	if rest, ok := strings.CutPrefix(path, own); ok && own != "" && (rest == "" || rest[0] == '/') {
		folders = append(folders, filepath.Join(g.project.Root, filepath.FromSlash(rest)))
	}
	return folders
}

// read are the endings of files that CUE's loader opens.
var read = []string{".cue", ".json", ".jsonl", ".ldjson", ".yaml", ".yml", ".toml", ".xml", ".txt", ".go", ".proto", ".textproto", ".textpb", ".pb", ".binpb", ".wasm"}

// folder refuses the files of a folder, and of those above it up to the module's
// root, that have no end to read to, such as pipes, or one that is far.
func (g *guard) folder(name string) error {
	for ; ; name = filepath.Dir(name) {
		g.mu.Lock()
		known := g.folders[name]
		g.folders[name] = true
		g.mu.Unlock()
		entries, err := os.ReadDir(name)
		if err != nil || known {
			return nil
		}
		for _, e := range entries {
			if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !slices.Contains(read, filepath.Ext(e.Name())) {
				continue
			}
			file := filepath.Join(name, e.Name())
			info, err := os.Stat(file)
			at := g.project.in(file)
			at.Line, at.Column = 1, 1
			switch {
			case err != nil || info.IsDir():
			case !info.Mode().IsRegular():
				return g.refuse(&Error{Code: rule.Syntax, Pos: at, Message: notRegular})
			case info.Size() > maxFile && filepath.Ext(file) == ".cue":
				return g.refuse(tooLarge(at)) // before the loader reads all of it
			}
		}
		if name == g.project.Root || !strings.HasPrefix(name, g.project.Root) {
			return nil
		}
	}
}

// regular refuses a file that is not in the project, or has no end. Files that are
// not there are the loader's to tell.
func (g *guard) regular(name string, at Pos) error {
	f, err := openBelow(g.project.rootOf(name), name, maxFile)
	if err == nil {
		_ = f.Close() // nothing was written
		return nil
	}
	if e := refusal(err, at); e != nil {
		return g.refuse(e)
	}
	return nil
}

// refusal tells of a file that is not the project's to read; nil for one that is not
// there.
func refusal(err error, at Pos) *Error {
	switch {
	case errors.Is(err, errNotRegular):
		return &Error{Code: rule.Syntax, Pos: at, Message: notRegular}
	case errors.Is(err, errOutside):
		return &Error{Code: rule.Import, Pos: at, Message: outsideProject, Why: onlyProject}
	case errors.Is(err, errGit):
		return &Error{Code: rule.Import, Pos: at, Message: insideGit, Why: onlyProject}
	case errors.Is(err, errTooLarge):
		return tooLarge(at)
	}
	return nil
}

// embedded refuses files that @embed would put into a value and that are not the
// project's. What CUE opens is below the project's root in any case (see belowFS);
// this says so well. It reads the attribute with CUE's own parser.
func (g *guard) embedded(name string, f *ast.File) (err error) {
	ast.Walk(f, func(n ast.Node) bool {
		a, ok := n.(*ast.Attribute)
		if !ok || err != nil {
			return err == nil
		}
		if key, _ := a.Split(); key != "embed" {
			return true
		}
		at := g.project.pos(a.Pos())
		attr := cuecontext.New().CompileString("x: _ " + a.Text).LookupPath(cue.MakePath(cue.Str("x"))).Attribute("embed")
		file, _, ferr := attr.Lookup(0, "file")
		glob, _, gerr := attr.Lookup(0, "glob")
		pattern := cmp.Or(file, glob)
		if ferr != nil || gerr != nil || pattern == "" || file != "" && glob != "" {
			err = g.refuse(&Error{Code: rule.Import, Pos: at, Message: "this does not say which file it embeds", Hint: `write @embed(file="NAME")`})
			return false
		}
		if !filepath.IsLocal(filepath.FromSlash(pattern)) {
			err = g.refuse(&Error{Code: rule.Import, Pos: at, Message: fmt.Sprintf("@embed names a file outside the project: %q", pattern), Why: onlyProject})
			return false
		}
		root := g.project.rootOf(name)
		folder, rerr := filepath.Rel(root, filepath.Dir(name))
		if rerr != nil {
			return true // CUE finds no file there
		}
		files := []string{path.Join(filepath.ToSlash(folder), pattern)}
		if glob != "" {
			files, _ = fs.Glob(belowFS(root), files[0]) // CUE tells of a bad pattern
		}
		for _, file := range files {
			if err = g.regular(filepath.Join(root, filepath.FromSlash(file)), at); err != nil {
				return false
			}
		}
		return true
	}, nil)
	return err
}

var replaced = regexp.MustCompile(`replaceWith:\s*"((?:\.{1,2}/|/)[^"]*)"`)

// moduleFiles refuses module files that cannot be read, or that replace a module by
// a folder outside of the project.
func (g *guard) moduleFiles() {
	for _, file := range []string{moduleFile, localModuleFile} {
		name := filepath.Join(g.project.Root, filepath.FromSlash(file))
		at := Pos{File: g.project.file(name), Line: 1, Column: 1}
		info, err := os.Stat(name)
		if err != nil || g.regular(name, at) != nil || info.IsDir() || file == moduleFile {
			continue
		}
		data, err := g.project.read(name)
		if err != nil {
			continue
		}
		for _, m := range replaced.FindAllSubmatchIndex(data, -1) {
			folder := filepath.FromSlash(string(data[m[2]:m[3]]))
			if !filepath.IsAbs(folder) {
				folder = filepath.Join(g.project.Root, folder)
			}
			if _, err := below(g.project.Root, folder); err != nil {
				at.Line = 1 + strings.Count(string(data[:m[2]]), "\n")
				at.Column = m[2] - strings.LastIndexByte(string(data[:m[2]]), '\n') - 1
				_ = g.refuse(&Error{Code: rule.Import, Pos: at, Message: "a module is replaced by a folder outside the project", Why: onlyProject, Hint: "publish it to a registry, or move it into the project"})
			}
		}
	}
}

// offsetIn gives the place of an offset in a file.
func offsetIn(name string, data []byte, offset int, in Pos) Pos {
	f := token.NewFile(name, -1, max(len(data), 1))
	f.SetLinesForContent(data)
	p := f.Pos(offset, token.NoRelPos)
	in.Line, in.Column = p.Line(), p.Column()
	return in
}
