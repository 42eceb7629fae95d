package language

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// UnknownFieldError is a path that Explain does not find.
type UnknownFieldError struct {
	Path  string        // as it was asked for
	Names []UnknownName // those of its names that are unknown, one or more
	Meant []string      // the paths that were probably meant, the likeliest first
}

// UnknownName is a name that is not in a struct.
type UnknownName struct {
	In   string   // the path of the struct; "" is the App
	Name string   // what is not there
	Near string   // what was probably meant; may be empty
	Have []string // what there is
}

func (e *UnknownFieldError) Error() string {
	said := make([]string, len(e.Names))
	for i, n := range e.Names {
		said[i] = fmt.Sprintf("%s has no field %q", cmp.Or(n.In, "the App"), n.Name)
	}
	return strings.Join(said, ", and ")
}

// Hint says what to ask for instead.
func (e *UnknownFieldError) Hint() string {
	if len(e.Meant) > 0 {
		return fmt.Sprintf("did you mean %s?", strings.Join(e.Meant, ", or "))
	}
	last := e.Names[len(e.Names)-1]
	if len(last.Have) == 0 {
		return ""
	}
	return cmp.Or(last.In, "the App") + " has " + strings.Join(last.Have, ", ")
}

// nearWord gives the field that was probably meant, by its name or what it is
// called elsewhere.
func nearWord(s *Shape, name string) string {
	return cmp.Or(alias(s, name), nearest.Name(name, s.Names()))
}

// misspelt reports whether a name that the user may choose is rather meant as a
// field.
func misspelt(s *Shape, name string) bool {
	return alias(s, name) != "" || nearest.Slip(name, s.Names()) != ""
}

// Meant gives the field that a name stands for elsewhere, or in another way of
// writing (read_only or read-only for readOnly), with what to write for it where that
// is said; nil is none.
func (s *Shape) Meant(name string) (meant *Field, write string) {
	for _, fold := range []func(string) string{func(word string) string { return word }, folded} {
		for _, f := range s.Fields {
			for _, aka := range append([]string{f.Name}, f.Aka...) {
				if word, write, _ := strings.Cut(aka, "="); fold(word) == fold(name) {
					return f, write
				}
			}
		}
	}
	return nil, ""
}

// Called reports whether a field is called by a name elsewhere.
func (f *Field) Called(name string) bool {
	return slices.ContainsFunc(f.Aka, func(aka string) bool { return aliasName(aka) == name })
}

// folded is a name without what ways of writing differ in.
func folded(name string) string {
	return strings.TrimSuffix(strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name)), "s")
}

// alias gives the field that is called by a name elsewhere, or "".
func alias(s *Shape, name string) string {
	for _, f := range s.Fields {
		if f.Called(name) {
			return f.Name
		}
	}
	return ""
}
