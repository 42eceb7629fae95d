// Package sops reads files that the sops program encrypted
// (https://getsops.io): the bytes of a file go in, the names of its values come
// out, and with a key the values. It never writes or encrypts one.
//
// It is our own, since getsops' packages import the SDK of every cloud: they
// would double the size of the program. Files for age keys are decrypted here,
// on filippo.io/age, as sops v3.13 does it; for other key services the user's own
// sops program is called. Two rooms need it: the names are checked where the
// project is read, the values are taken where it is deployed.
//
// No error of this package holds a value, or a line of a file.
package sops

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// File is a file that SOPS encrypted.
type File struct {
	name   string // as the caller called it
	format format
	values []leaf // in the order of the file, without the metadata
	meta   metadata
	rules  rules
}

// leaf is a value that is neither a map nor a list.
type leaf struct {
	path  []step
	value any // string, int, float64, bool, time.Time or nil
}

// step is one of the names, or places in lists, that lead to a value.
type step struct {
	name  string
	index int // of a list
	list  bool
}

func (s step) String() string {
	if s.list {
		return strconv.Itoa(s.index)
	}
	return s.name
}

// key gives the path as users write it: names and places joined by dots.
func (l leaf) key() string {
	names := make([]string, len(l.path))
	for i, s := range l.path {
		names[i] = s.String()
	}
	return strings.Join(names, ".")
}

// names are those of the path, which lists have no part in.
func (l leaf) names() []string {
	var names []string
	for _, s := range l.path {
		if !s.list {
			names = append(names, s.name)
		}
	}
	return names
}

type format string

const (
	formatYAML   format = "yaml"
	formatJSON   format = "json"
	formatDotenv format = "dotenv"
	formatINI    format = "ini"
	formatBinary format = "binary"
)

// formatOf decides by the extension, as the sops program does.
func formatOf(name string) format {
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		return formatYAML
	case ".json":
		return formatJSON
	case ".env":
		return formatDotenv
	case ".ini":
		return formatINI
	}
	return formatBinary
}

// wholeName is the name of the only value of a file that was encrypted as a whole.
const wholeName = "data"

// Parse reads a file, whose name decides its format by its extension: .yaml, .yml,
// .json, .env and .ini; any other was encrypted as a whole.
//
// Errors: *NotEncryptedError, *FormatError.
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name, format: formatOf(name)}
	all, err := parse(f.format, data)
	if err != nil {
		return nil, &FormatError{File: name, Format: string(f.format), Err: err}
	}
	values, flat := f.format.split(all)
	if len(flat) == 0 {
		return nil, &NotEncryptedError{File: name}
	}
	f.values = values
	if f.meta, err = newMetadata(flat); err == nil {
		f.rules, err = newRules(flat)
	}
	if err != nil {
		return nil, &FormatError{File: name, Format: "sops", Err: err}
	}
	return f, nil
}

func parse(f format, data []byte) ([]leaf, error) {
	switch f {
	case formatYAML:
		return parseYAML(data)
	case formatDotenv:
		return parseDotenv(data)
	case formatINI:
		return parseINI(data)
	}
	leaves, err := parseJSON(data)
	if err != nil && f == formatBinary {
		return nil, nil // what is no JSON was not encrypted
	}
	return leaves, err
}

// Whole reports whether the file was encrypted as a whole: its one value has no
// name.
func (f *File) Whole() bool {
	return len(f.values) == 1 && f.values[0].key() == wholeName
}

// Names gives the names of the values, in the order of the file: "db.password",
// "hosts.0". Comments have none.
func (f *File) Names() []string {
	var names []string
	for _, l := range f.values {
		if !l.comment() {
			names = append(names, l.key())
		}
	}
	return names
}

// comment reports whether a value is a comment in a list, which has its place
// among the others' only in the file.
func (l leaf) comment() bool {
	text, ok := l.value.(string)
	return ok && strings.HasPrefix(text, "ENC[") && strings.HasSuffix(text, ",type:comment]")
}

// Check says whether the file has a value called key, and only one, that is
// encrypted as the file itself demands. An empty key is the value of a file that
// was encrypted as a whole. No secret key is needed.
//
// Errors: *NoValueError, *InClearError.
func (f *File) Check(key string) error {
	i, err := f.find(key)
	if err != nil {
		return err
	}
	if l := f.values[i]; f.rules.encrypted(l.names()) && !sealed(l.value) {
		return &InClearError{File: f.name, Key: l.key()}
	}
	return nil
}

// sealed reports whether a value is encrypted, or nothing that could be.
func sealed(value any) bool {
	if value == nil || value == "" {
		return true
	}
	text, ok := value.(string)
	return ok && strings.HasPrefix(text, "ENC[")
}

// InClear reports whether the value called key is one that the file's own rules, by
// suffixes and patterns, leave readable. It says no where comments decide.
func (f *File) InClear(key string) bool {
	i, err := f.find(key)
	return err == nil && !f.rules.byComment && !f.rules.encrypted(f.values[i].names())
}

// find gives the place of the value called key.
func (f *File) find(key string) (int, error) {
	if key == "" && f.Whole() {
		return 0, nil
	}
	found := -1
	missing := &NoValueError{File: f.name, Key: key}
	for i, l := range f.values {
		name := l.key()
		switch {
		case l.comment():
		case name == key && found >= 0:
			missing.Several = true
			return 0, missing
		case name == key:
			found = i
		case strings.HasPrefix(name, key+"."):
			missing.Below = append(missing.Below, name)
		}
	}
	if found < 0 {
		missing.Near = nearest.Name(key, f.Names())
		return 0, missing
	}
	return found, nil
}

// Values are those of a decrypted file.
type Values struct {
	file  *File
	texts [][]byte // of each of the file's, nil when there is none
}

// Get gives the value called key, as text: of a number its digits, "true" or
// "false" of a boolean. An empty key is the value of a file that was encrypted as
// a whole.
//
// Errors: *NoValueError.
func (v *Values) Get(key string) ([]byte, error) {
	i, err := v.file.find(key)
	if err != nil {
		return nil, err
	}
	if v.texts[i] == nil {
		return nil, &NoValueError{File: v.file.name, Key: key, Null: true}
	}
	return slices.Clone(v.texts[i]), nil
}
