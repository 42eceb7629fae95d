package schema

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/build"
)

// Packages gives every folder at or below dir that holds a CUE package in a
// module, sorted; when there is none, or dir is neither in a module nor in a
// repository, what Find gives. Not all of them are Apps: Load says of the others
// that they are none, with the code NoApp. Hidden folders, cue.mod and
// node_modules are left out, and links are not followed.
func Packages(dir string) ([]Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, _, err := findModule(dir); err != nil && !inRepository(abs) {
		return nil, err
	}
	var found []Project
	err = filepath.WalkDir(abs, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case path != abs && passedOver(d.Name()):
			return fs.SkipDir
		}
		if p, err := Find(path); err == nil && p.Dir == path {
			found = append(found, p)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		var p Project
		p, err = Find(dir)
		found = []Project{p}
	}
	return found, err
}

// passedOver reports whether a folder of this name holds no CUE of the user's, or
// none that stands for itself: what is in testdata belongs to a test, as it does
// for Go.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") || name == "cue.mod" || name == "node_modules" || name == "testdata"
}

// inRepository reports whether a folder, an absolute path, is in a git repository:
// its parts belong together, so that it makes sense to look for all of them. (A
// walk through somebody's home would not.)
func inRepository(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// Reads gives a function that reports whether a file, an absolute path, can
// matter to the project: one below the project's folder or cue.mod, or in the
// folder of a package that it imports. When the project cannot be parsed, every
// file of the module can.
func (p Project) Reads(opts Options) func(file string) bool {
	inst, err := within(context.Background(), p, opts.Limits, func() (*build.Instance, error) {
		inst, errs := p.instance(opts)
		if errs != nil {
			return nil, errs
		}
		return inst, nil
	})
	if err != nil {
		return func(file string) bool { return isBelow(p.Root, file) }
	}
	folders := map[string]bool{}
	packageFolders(inst, folders)
	return func(file string) bool {
		return isBelow(p.Dir, file) || isBelow(filepath.Join(p.Root, "cue.mod"), file) || folders[filepath.Dir(file)]
	}
}

// packageFolders collects the folders of inst and of all that it imports.
func packageFolders(inst *build.Instance, folders map[string]bool) {
	if inst == nil || folders[inst.Dir] {
		return
	}
	folders[inst.Dir] = true
	for _, i := range inst.Imports {
		packageFolders(i, folders)
	}
}

func isBelow(folder, file string) bool {
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}
