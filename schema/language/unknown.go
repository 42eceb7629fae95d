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
	return strings.ToUpper(name) != name && alias(s, name) != "" || nearest.Slip(name, s.Names()) != ""
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
		if slices.ContainsFunc(f.Aka, func(aka string) bool { return strings.EqualFold(aliasName(aka), name) }) {
			return f.Name
		}
	}
	return ""
}

// foreign reports whether a name, that no service can have, is a word of the language
// or of another.
func (s *Shapes) foreign(name string) bool {
	return (strings.Contains(name, "_") || strings.ToLower(name) != name) && strings.ToUpper(name) != name && len(s.named(name)) > 0
}

// named gives the paths of the fields that a name could stand for, at most three: first
// those of the App and of services that have it, in any way of writing, or are called
// by it elsewhere; then others that have it. Where there are none it gives others that
// are called by it.
func (s *Shapes) named(name string) []string {
	var first, exact, called []string
	redirects := map[string]bool{} // of first: it is written in something below
	seen := map[*Field]bool{}
	s.walk(func(f *Field, path string) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		aka := slices.IndexFunc(f.Aka, func(aka string) bool { return strings.EqualFold(aliasName(aka), name) })
		switch outer := strings.Count(strings.TrimPrefix(path, "services."), ".") == 0; {
		case outer && (aka >= 0 || folded(f.Name) == folded(name)):
			first = append(first, path)
			redirects[path] = aka >= 0 && strings.Contains(f.Aka[aka], "=")
		case strings.EqualFold(f.Name, name):
			exact = append(exact, path)
		case aka >= 0:
			called = append(called, path)
		}
		return true
	})
	below := func(path string) bool {
		return slices.ContainsFunc(first, func(outer string) bool { return redirects[outer] && strings.HasPrefix(path, outer+".") })
	}
	deeper := slices.Clone(exact)
	for _, path := range called {
		if len(first)+len(exact) == 0 || below(path) {
			deeper = append(deeper, path)
		}
	}
	first = slices.DeleteFunc(first, func(outer string) bool {
		return redirects[outer] && slices.ContainsFunc(deeper, func(path string) bool { return strings.HasPrefix(path, outer+".") })
	})
	byDepth := func(a, b string) int { return cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")) }
	slices.SortStableFunc(deeper, byDepth)
	slices.SortStableFunc(first, byDepth)
	paths := slices.Concat(first, deeper)
	return paths[:min(len(paths), 3)]
}
