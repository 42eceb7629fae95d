package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"cuelang.org/go/cue/token"
	v1 "github.com/shipit-dev/shipit/schema/v1"
)

// cueVersion is the version of CUE that new projects are written in.
const cueVersion = "v0.14.0"

// InitOptions say how a new project is called. Both have defaults that come
// from the folder's name.
type InitOptions struct {
	Name   string // the App's name, a DNS label
	Module string // the CUE module's path, such as "example.com/shop"
}

// ExistsError says that a file is there which Init would have to overwrite.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + " exists already" }

// NameError says that a name cannot be used.
type NameError struct{ What, Name, Must string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%q cannot be the %s: it must be %s", e.Name, e.What, e.Must)
}

// Init makes a project in dir, which is created when it is missing: a CUE
// module with the schema vendored into it, and a small App to start from. It
// gives the files it wrote, relative to dir. No file of the user's is
// overwritten: the error is an *ExistsError and nothing is written. A name that
// cannot be used is a *NameError.
func Init(dir string, opts InitOptions) ([]string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := opts.Name
	if name == "" {
		name = nameFrom(filepath.Base(abs))
	} else if !validName(name) {
		return nil, &NameError{"App's name", name, "a DNS label: at most 63 of a-z, 0-9 and -, starting with a letter and not ending with -"}
	}
	module := opts.Module
	if module == "" {
		module = "example.com/" + name
	} else if !validModule(module) {
		return nil, &NameError{"module's path", module, `a domain and a path in lower case, such as "example.com/shop"`}
	}
	source := name + ".cue"
	files := map[string]string{
		moduleFile: fmt.Sprintf("module: %q\nlanguage: version: %q\n", module, cueVersion),
		source:     fmt.Sprintf(starter, packageName(name), name),
	}
	for _, path := range []string{moduleFile, source, vendorDir} {
		if _, err := os.Lstat(filepath.Join(abs, filepath.FromSlash(path))); err == nil {
			return nil, &ExistsError{filepath.Join(dir, filepath.FromSlash(path))}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if hasCUE(abs) {
		return nil, &ExistsError{filepath.Join(dir, "*.cue")}
	}
	written, err := vendor(abs)
	if err != nil {
		return nil, err
	}
	// The module file comes last: before it, this is not a project yet.
	for _, path := range []string{source, moduleFile} {
		if err := writeFile(filepath.Join(abs, filepath.FromSlash(path)), []byte(files[path])); err != nil {
			return nil, err
		}
		written = append(written, path)
	}
	return written, nil
}

// Update brings the vendored schema of the project around dir to this program's
// version, and touches nothing else. It gives the files it wrote or removed,
// relative to the module's root.
func Update(dir string) ([]string, error) {
	root, _, err := findModule(dir)
	if err != nil {
		return nil, err
	}
	return vendor(root)
}

// vendor writes the schema below root, only the files that differ, and removes
// CUE files there that the schema no longer has.
func vendor(root string) ([]string, error) {
	dir := filepath.Join(root, filepath.FromSlash(vendorDir))
	var changed []string
	files := v1.Files()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".cue") && files[e.Name()] == nil {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			changed = append(changed, vendorDir+"/"+e.Name())
		}
	}
	for _, name := range sortedKeys(files) {
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(files[name]) {
			continue
		}
		if err := writeFile(path, files[name]); err != nil {
			return nil, err
		}
		changed = append(changed, vendorDir+"/"+name)
	}
	return changed, nil
}

// writeFile writes a file whole: beside its place, then renamed over it.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".shipit-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// validName reports whether name is a DNS label as #Name in the schema.
func validName(name string) bool {
	return regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`).MatchString(name)
}

// nameFrom makes a DNS label of any text.
func nameFrom(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	if len(name) > 63 {
		name = name[:63]
	}
	if name = strings.Trim(name, "-"); name == "" {
		return "app"
	}
	return name
}

// packageName makes the name of a CUE package of a DNS label.
func packageName(name string) string {
	name = strings.ReplaceAll(name, "-", "")
	if token.Lookup(name) != token.IDENT {
		name += "app" // "in" and "true" mean something else in CUE
	}
	return name
}

// validModule reports whether CUE takes path as a module's: a domain first.
func validModule(path string) bool {
	for i, part := range strings.Split(path, "/") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789.-_~") != "" ||
			strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") || (i == 0 && !strings.Contains(part, ".")) {
			return false
		}
	}
	return true
}

// starter is the App that a new project begins with: valid, deployable, and
// with a word on what to change.
const starter = `package %s

import "shipit.dev/v1"

v1.#App & {
	name: %q

	// With v1.#Service, editors know what a service has (docs/editors.md).
	services: web: v1.#Service & {
		// What to run: an image, or a Go main package to build instead:
		//	build: go: "."
		image: "nginxinc/nginx-unprivileged:1.29"

		ports: http: 8080
		probes: readiness: http: "/"
		resources: {cpu: "50m", memory: "32Mi"}
	}
}
`
