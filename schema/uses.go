package schema

import "strings"

// Uses gives the fields of the language that the project writes for its
// environment: their paths as in Field.Path, sorted. What only other environments
// have is not among them.
func (a *App) Uses() ([]string, error) {
	s, err := readShapes()
	if err != nil {
		return nil, err
	}
	u := uses{environment: a.Environment, paths: map[string]bool{}}
	u.add(s.top.shape, "", writtenTree(a.positions))
	return sortedKeys(u.paths), nil
}

// uses collects fields.
type uses struct {
	environment string
	paths       map[string]bool
}

// add goes through what is written in a struct, or a list of structs, at a path.
func (u *uses) add(in *shape, path string, at *writtenField) {
	if in.elem != nil && len(in.fields) == 0 && len(in.patterns) == 0 {
		for _, item := range at.below {
			u.add(in.elem, path, item)
		}
		return
	}
	for name, sub := range at.below {
		if f := in.field(name); f != nil {
			to := join(path, name)
			u.paths[to] = true
			u.add(f.shape, to, sub)
		} else if len(in.fields) == 0 && (path != "environments" || name == u.environment) {
			for _, named := range in.patterns {
				u.add(named.shape, path, sub)
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
