package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

// goFolder looks for the folder of a Go main package in the project.
func (d *decoder) goFolder(n *node) {
	text := n.str()
	if text == "" {
		return
	}
	local := filepath.FromSlash(text)
	if !filepath.IsLocal(local) {
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s leaves the project: %q", n.path, text),
			"a build reads the project's files only", "make the folder that holds both the project, or copy the package into it")
		return
	}
	names, err := d.namesIn(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.wrong(n, rule.BuildFolder, fmt.Sprintf("%s: there is no folder %q in the project", n.path, text),
			"its path is relative to the project's folder", d.otherFolder(local))
	case err != nil:
		d.noFolder(n, local)
	case !slices.ContainsFunc(names, isGo):
		d.wrong(n, rule.BuildFolder, fmt.Sprintf("%s: there are no Go files in the folder %q", n.path, text),
			"what is built is the main package in the folder itself", d.otherFolder(local))
	}
}

// noFolder tells of what cannot be read as a folder of the project.
func (d *decoder) noFolder(n *node, local string) {
	if !d.inProject(n) {
		return
	}
	info, err := os.Stat(filepath.Join(d.project.Dir, local))
	if err != nil || info.IsDir() {
		return // a link in the project, or one that only the build may read
	}
	hint := ""
	if folder := filepath.Dir(local); isGo(filepath.Base(local)) {
		hint = fmt.Sprintf("write %q", fromHere(folder))
	}
	d.wrong(n, rule.BuildFolder, fmt.Sprintf("%s: %q is a file, not a folder", n.path, n.text), "a package is a folder of Go files", hint)
}

func isGo(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// namesIn gives the names in a folder of the project, which no link leads out of.
func (d *decoder) namesIn(local string) ([]string, error) {
	below, err := filepath.Rel(d.project.Root, filepath.Join(d.project.Dir, local))
	if err != nil {
		return nil, err
	}
	if d.root == nil {
		if d.root, err = os.OpenRoot(d.project.Root); err != nil {
			return nil, err
		}
	}
	folder, err := d.root.Open(below)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.Readdirnames(-1)
}

// close ends what reading the project's folders needs.
func (d *decoder) close() {
	if d.root != nil {
		_ = d.root.Close() // nothing was written
	}
}

// otherFolder gives a hint for a folder with no Go in it: the one that was probably
// meant, or those there are.
func (d *decoder) otherFolder(local string) string {
	folders := d.goFolders()
	if len(folders) == 0 {
		return "write the folder of a main package; what is built elsewhere is image: \"…\""
	}
	var names []string
	for _, f := range folders {
		// The same name elsewhere, or a folder in the one that is named.
		if filepath.Base(f) == filepath.Base(local) || strings.HasPrefix(f, filepath.Clean(local)+string(filepath.Separator)) {
			return fmt.Sprintf("did you mean %q?", fromHere(f))
		}
		names = append(names, fromHere(f))
	}
	if near := nearestName(fromHere(filepath.Clean(local)), names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(names) > 5 {
		names = append(names[:5], "…")
	}
	return "folders with Go in them: " + strings.Join(names, ", ")
}

// fromHere writes a folder as build: go names it.
func fromHere(local string) string {
	if local == "." {
		return local
	}
	return "./" + filepath.ToSlash(local)
}

// maxFolders bounds those that are looked through for a hint.
const maxFolders = 200

// goFolders gives those below the project's that have Go in them, as far as they are
// few and near.
func (d *decoder) goFolders() []string {
	var found []string
	level, looked := []string{"."}, 0
	for depth := 0; depth < 4 && len(level) > 0; depth++ {
		var next []string
		for _, folder := range level {
			if looked++; looked > maxFolders {
				return found
			}
			entries, err := d.project.readDir(filepath.Join(d.project.Dir, folder))
			if err != nil {
				continue
			}
			if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Type().IsRegular() && isGo(e.Name()) }) {
				found = append(found, folder)
			}
			for _, e := range entries { // links are no folders
				if name := e.Name(); e.IsDir() && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") &&
					!slices.Contains([]string{"cue.mod", "vendor", "node_modules", "testdata"}, name) {
					next = append(next, filepath.Join(folder, name))
				}
			}
		}
		level = next
	}
	return found
}
