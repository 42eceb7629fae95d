package schema

import "github.com/shipit-dev/shipit/schema/language"
import "strings"

// Uses gives the fields of the language that the project writes for its
// environment: their paths as in language.Entry, sorted. What only other environments
// have is not among them.
func (a *App) Uses() ([]string, error) {
	s, err := language.Read()
	if err != nil {
		return nil, err
	}
	u := uses{environment: a.Environment, paths: map[string]bool{}}
	u.add(s.Top.Shape, "", writtenTree(a.positions))
	return sortedKeys(u.paths), nil
}

// uses collects fields.
type uses struct {
	environment string
	paths       map[string]bool
}

// add goes through what is written in a struct, or a list of structs, at a path.
func (u *uses) add(in *language.Shape, path string, at *writtenField) {
	if in.Elem != nil && len(in.Fields) == 0 && len(in.Patterns) == 0 {
		for _, item := range at.below {
			u.add(in.Elem, path, item)
		}
		return
	}
	for name, sub := range at.below {
		if f := in.Field(name); f != nil {
			to := language.Join(path, name)
			u.paths[to] = true
			u.add(f.Shape, to, sub)
		} else if len(in.Fields) == 0 && (path != "environments" || name == u.environment) {
			for _, named := range in.Patterns {
				u.add(named.Shape, path, sub)
			}
		}
	}
}

// writtenField is a field that a project writes, with those in it by name.
type writtenField struct{ below map[string]*writtenField }

// writtenTree puts paths into each other. Names may have dots in them: what a path
// is in is the longest of those that it begins with.
func writtenTree(positions map[string]Pos) *writtenField {
	all := map[string]*writtenField{"": {below: map[string]*writtenField{}}}
	for _, path := range sortedKeys(positions) { // what is around a field comes before it
		if path == "" {
			continue
		}
		around := path
		for all[around] == nil {
			around = around[:max(0, strings.LastIndexByte(around, '.'))]
		}
		f := &writtenField{below: map[string]*writtenField{}}
		all[path] = f
		all[around].below[strings.TrimPrefix(path[len(around):], ".")] = f
	}
	return all[""]
}
