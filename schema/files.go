package schema

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/token"
)

var (
	errTooLarge   = errors.New("too large")
	errNotText    = errors.New("no text in UTF-8")
	errNotRegular = errors.New("no regular file")
	errOutside    = errors.New("outside the project")
	errGit        = errors.New("in .git")
)

// below gives where a file or folder really is below a folder, or errOutside, or
// errGit: what git keeps, such as the token of a CI system, is no file of a project.
func below(root, name string) (string, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(real, target)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errOutside
	}
	if slices.ContainsFunc(strings.Split(rel, string(filepath.Separator)), func(part string) bool { return strings.EqualFold(part, ".git") }) {
		return "", errGit
	}
	return rel, nil
}

// openBelow opens a regular file of some size at most, or a folder, that is really
// below root. It waits for no pipe.
func openBelow(root, name string, most int64) (*os.File, error) {
	rel, err := below(root, name)
	if err != nil {
		return nil, err
	}
	in, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	fits := func(info fs.FileInfo) error {
		switch {
		case info.IsDir():
			return nil
		case !info.Mode().IsRegular():
			return errNotRegular
		case info.Size() > most:
			return errTooLarge
		}
		return nil
	}
	info, err := in.Stat(rel)
	if err == nil {
		err = fits(info)
	}
	if err != nil {
		return nil, err
	}
	f, err := in.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil {
		err = fits(info) // it may be another by now
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ReadBelow reads a regular file of some size at most that no link leads out of a
// folder to, nor into what git keeps.
func ReadBelow(root, name string, most int64) ([]byte, error) {
	f, err := openBelow(root, name, most)
	if err != nil {
		return nil, unreadableError(name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, unreadableError(name, errNotRegular)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLarge
	}
	return data, unreadableError(name, err)
}

// unreadableError says what is wrong with a file that is not the project's to read.
func unreadableError(name string, err error) error {
	if slices.Contains([]error{errTooLarge, errNotRegular, errOutside, errGit}, err) {
		return fmt.Errorf("%s is %w", name, err)
	}
	return err
}

// read is ReadBelow for a file of the project, an absolute path.
func (p Project) read(name string) ([]byte, error) { return ReadBelow(p.Root, name, maxFile) }

// readDir lists a folder of the project, an absolute path.
func (p Project) readDir(name string) ([]fs.DirEntry, error) {
	f, err := openBelow(p.Root, name, maxFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// belowFS are the files of a folder, for @embed.
type belowFS string

func (root belowFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := openBelow(string(root), filepath.Join(string(root), filepath.FromSlash(name)), maxFile)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// confineEmbeds has CUE open the files that a package and those it imports embed by
// way of belowFS.
func (p Project) confineEmbeds(inst *build.Instance, done map[*build.Instance]bool) {
	if inst == nil || done[inst] {
		return
	}
	done[inst] = true
	for _, f := range inst.Files {
		if of := f.Pos().File(); of != nil {
			root := p.rootOf(of.Name())
			if rel, err := filepath.Rel(root, of.Name()); err == nil {
				of.SetFSLoc(token.FSLoc{FS: belowFS(root), Path: path.Clean(filepath.ToSlash(rel))})
			}
		}
	}
	for _, i := range inst.Imports {
		p.confineEmbeds(i, done)
	}
}

// rootOf is the folder that a file may name others in: the module's that it is of.
func (p Project) rootOf(name string) string {
	if _, folder := p.modules.of(name); folder != "" {
		return folder
	}
	return p.Root
}
