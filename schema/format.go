package schema

import (
	"bytes"
	"context"
	"io/fs"
	"path/filepath"
	"slices"

	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
)

// Unformatted is a file that CUE's own formatter would write in another way.
type Unformatted struct {
	File      string // relative to the module's root, with slashes
	path      string
	formatted []byte
}

// Write replaces the file by its formatted text.
func (u Unformatted) Write() error { return writeFile(u.path, u.formatted) }

// Format looks through the CUE files of the module around dir, those in cue.mod
// and in hidden folders excepted, or through those of all modules below when dir
// is in a repository but in no module, and gives those that are not formatted. It
// writes nothing. Files that CUE does not understand are all in an error of
// type Errors.
func Format(ctx context.Context, dir string) ([]Unformatted, error) {
	root, abs, err := findModule(dir)
	several := err != nil && abs != "" && inRepository(abs)
	switch {
	case several:
		root = abs
	case err != nil:
		return nil, err
	}
	p := Project{Dir: root, Root: root} // positions are told from there, as the files are
	return within(ctx, p, Limitations{Time: mostTime}, func() ([]Unformatted, error) { return p.unformatted(several) })
}

// unformatted is Format for one module, or for several below a folder.
func (p Project) unformatted(several bool) ([]Unformatted, error) {
	var found []Unformatted
	var errs Errors
	err := filepath.WalkDir(p.Root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != p.Root && passedOver(name):
			return fs.SkipDir
		case !d.Type().IsRegular() || filepath.Ext(name) != ".cue":
			return nil
		}
		if several {
			if _, _, err := findModule(filepath.Dir(path)); err != nil {
				return nil // CUE of something else
			}
		}
		at := p.in(path)
		at.Line, at.Column = 1, 1
		text, err := p.read(path)
		if e := refusal(err, at); e != nil {
			errs = append(errs, e)
			return nil
		}
		if err != nil {
			return err
		}
		if e := unreadable(path, text, at); e != nil {
			errs = append(errs, e)
			return nil
		}
		f, err := parser.ParseFile(path, text, parser.ParseComments)
		if err != nil {
			for _, e := range cueerrors.Errors(err) {
				errs = append(errs, p.loadError(e))
			}
			return nil
		}
		formatted, err := format.Node(f)
		if err != nil {
			return err
		}
		if !bytes.Equal(text, formatted) {
			found = append(found, Unformatted{File: p.file(path), path: path, formatted: formatted})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		slices.SortStableFunc(errs, inOrder)
		return nil, errs
	}
	return found, nil
}
