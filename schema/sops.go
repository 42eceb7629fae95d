package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue"
	"sigs.k8s.io/yaml"
)

// sops decodes a value in an encrypted file. What the file says without a key is
// looked at: that it is encrypted, and has the value.
func (d *decoder) sops(n *node) *SOPSKey {
	if !n.is(cue.StructKind) {
		return nil
	}
	k := &SOPSKey{File: n.get("file").str(), Key: n.get("key").str()}
	file := n.get("file")
	if k.File == "" || !d.inProject(file) {
		return k
	}
	text, err := readText(filepath.Join(d.project.Dir, filepath.FromSlash(k.File)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.wrong(file, projectFile, fmt.Sprintf("%s: there is no file %q in the project", file.path, k.File),
			"its path is relative to the project's folder", cmp.Or(d.nearFile(k.File), "make it with sops"))
		return k
	case err != nil:
		d.wrong(file, projectFile, fmt.Sprintf("%s: the file %q cannot be read", file.path, k.File), "", "")
		return k
	}
	names, known := encryptedNames(k.File, text)
	switch at := n.get("key"); {
	case names == nil:
		d.wrong(file, notEncrypted, fmt.Sprintf("%s: the file %q is not encrypted by SOPS", file.path, k.File),
			"it has no sops metadata, so its values may be readable", fmt.Sprintf("run sops encrypt --in-place %s", k.File))
	case known && k.Key == "" && n.missing("key"):
		d.wrong(n, missingField, n.path+" does not say which value of the file", "", `write key: "…", with names joined by dots`)
	case known && k.Key != "" && !names[k.Key]:
		hint := ""
		if near := nearestName(k.Key, sortedKeys(names)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(at, notEncrypted, fmt.Sprintf("%s: the file %q has no value %q", at.path, k.File, k.Key), "", hint)
	}
	return k
}

// encryptedNames gives the paths of the values of a file that SOPS encrypted, nil
// when it did not, and whether they are all: formats that have no names of values
// have none.
func encryptedNames(file, text string) (names map[string]bool, known bool) {
	switch filepath.Ext(file) {
	case ".yaml", ".yml", ".json":
		var data map[string]any
		if err := yaml.Unmarshal([]byte(text), &data); err != nil || data["sops"] == nil {
			return nil, false
		}
		_, whole := data["data"].(string)
		delete(data, "sops")
		names := map[string]bool{}
		addNames(names, "", data)
		return names, !whole || len(data) > 1
	case ".env":
		names := map[string]bool{}
		encrypted := false
		for line := range strings.Lines(text) {
			name, _, ok := strings.Cut(strings.TrimSpace(line), "=")
			switch {
			case strings.HasPrefix(name, "sops_"):
				encrypted = true
			case ok && !strings.HasPrefix(name, "#"):
				names[name] = true
			}
		}
		if !encrypted {
			return nil, false
		}
		return names, true
	}
	if !strings.Contains(text, "sops") {
		return nil, false
	}
	return map[string]bool{}, false
}

func addNames(names map[string]bool, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			addNames(names, join(path, name), field)
		}
	case []any:
		for i, item := range v {
			addNames(names, join(path, fmt.Sprint(i)), item)
		}
	default:
		names[path] = true
	}
}
