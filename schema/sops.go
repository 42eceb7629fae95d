package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/internal/sops"
	"github.com/shipit-dev/shipit/schema/rule"
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
	text, err := d.project.readText(filepath.Join(d.project.Dir, filepath.FromSlash(k.File)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.wrong(file, rule.ProjectFile, fmt.Sprintf("%s: there is no file %q in the project", file.path, k.File),
			"its path is relative to the project's folder", cmp.Or(d.nearFile(k.File), "make it with sops"))
		return k
	case err != nil:
		d.wrong(file, rule.ProjectFile, fmt.Sprintf("%s: the file %q cannot be read", file.path, k.File), "", "")
		return k
	}
	encrypted, err := sops.Parse(k.File, []byte(text))
	if err == nil {
		err = encrypted.Check(k.Key)
	}
	var (
		plain   *sops.NotEncryptedError
		broken  *sops.FormatError
		missing *sops.NoValueError
		clear   *sops.InClearError
	)
	at := n.get("key")
	switch {
	case errors.As(err, &plain):
		d.wrong(file, rule.NotEncrypted, file.path+": "+plain.Error(), "whoever reads the project, or its history, reads its values", plain.Hint())
	case errors.As(err, &broken):
		d.wrong(file, rule.ProjectFile, file.path+": "+broken.Error(), "", broken.Hint())
	case errors.As(err, &missing) && n.missing("key"):
		d.wrong(n, rule.MissingField, n.path+" does not say which value of the file", "", `write key: "…", with names joined by dots`)
	case errors.As(err, &missing) && k.Key != "":
		d.wrong(at, rule.UnknownSOPSValue, at.path+": "+missing.Error(), "", missing.Hint())
	case errors.As(err, &clear):
		d.wrong(cmp.Or(at, n), rule.NotEncrypted, n.path+": "+clear.Error(), "whoever reads the project, or its history, reads it", clear.Hint())
	case err == nil && k.Key != "" && encrypted.InClear(k.Key):
		d.wrong(at, rule.SecretInClear, fmt.Sprintf("%s: the value %q of the file %q is one that SOPS leaves readable", at.path, k.Key, k.File),
			"the file's own rules, such as unencrypted_suffix, say so", "rename it so that it is encrypted, or take it from config")
	}
	return k
}
