package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// unknown says that a struct may not have a field, and what was probably meant.
func (c *checker) unknown(parent, n *node, s *language.Shape) {
	where, hint, or := "", "it can have "+fieldList(s, parent.path), ""
	if parent.path != "" {
		where = " in " + parent.path
	}
	for _, p := range s.Patterns {
		or = ", or " + p.Key
	}
	hint += or
	if len(s.Fields)+len(s.Patterns) == 0 {
		hint = fmt.Sprintf("write %s: {}", parent.name)
	}
	service := c.shapes.Definition("#Service")
	meant, instead := s.Meant(n.name)
	if meant != nil && s.Field("services") != nil && service.Field(n.name) != nil && meant.Name != n.name+"s" && !meant.Called(n.name) {
		meant, instead = nil, ""
	} else if meant == nil {
		meant = s.Field(nearestName(n.name, s.Names()))
	}
	switch {
	case instead != "":
		hint = "write " + instead
	case meant != nil:
		hint = fmt.Sprintf("did you mean %q%s?", meant.Name, or)
		if n.kind == cue.ListKind {
			hint = cmp.Or(namesHint(n, meant), foreignValue(n, meant), hint)
		}
	case s.Field("services") != nil && c.shapes.Top.Shape.Field(n.name) == nil:
		hint = cmp.Or(inService(service, n.name), hint)
	case n.name == "enabled" && n.has(cue.BoolKind):
		hint = fmt.Sprintf(`remove it: what is written is there; for some environments only, write if environment == "prod" {%s: …}`, label(parent.name))
	}
	if meant != nil {
		if parent.meant == nil {
			parent.meant = map[string]bool{}
		}
		parent.meant[meant.Name] = true
	}
	if parent.path == "" {
		hint = cmp.Or(notOfApp(n), hint)
	}
	c.wrong(n, rule.UnknownField, fmt.Sprintf("unknown field %q%s", n.name, where), otherLetters(n.name), cmp.Or(foreignField(parent, n), hint))
}

// notOfApp helps with fields of an App that are those of something else.
func notOfApp(n *node) string {
	switch {
	case slices.Contains([]string{"apiVersion", "kind", "metadata", "spec"}, n.name):
		return "a Kubernetes object stands in objects: write objects: NAME: {…}, or objects: NAME: file: \"NAME.yaml\""
	case n.name == "resources" && (n.get("limits") != nil || n.get("requests") != nil):
		return "write it in a service: services: NAME: resources: {cpu: …, memory: …}"
	}
	return ""
}

// object says that a service is a Kubernetes object, and reports whether it is.
func (c *checker) object(n *node, s *language.Shape) bool {
	if s.Definition != "#Service" || n.get("apiVersion") == nil || n.get("kind") == nil {
		return false
	}
	n.bad = true
	why, hint := "a service says what runs, and becomes all the objects that this takes", fmt.Sprintf(`write what runs: %s: {image: "…", ports: http: 8080}; objects: %[1]s: {…} takes the object as it is`, label(n.name))
	if o, ok := n.data().(map[string]any); ok && !n.spoiltBelow() {
		if _, runs := podOf(o); runs {
			var left string
			hint, left = ofObject(o)
			why = cmp.Or(left, why)
		}
	}
	c.wrong(n, rule.WrongValue, n.path+" is a Kubernetes object, not a service", why, hint)
	return true
}

// spoiltBelow reports whether something in a value has an error.
func (n *node) spoiltBelow() bool {
	return slices.ContainsFunc(n.fields, (*node).spoilt) || slices.ContainsFunc(n.items, (*node).spoilt)
}

// pasted tells of a Kubernetes object among the fields of the App, and gives those that
// are its.
func (c *checker) pasted(n *node) []*node {
	if n.path != "" || n.get("apiVersion") == nil || n.get("kind").str() == "" || strings.HasPrefix(n.get("apiVersion").str(), "skaffold/") {
		return nil
	}
	var of []*node
	o := map[string]any{}
	for _, name := range []string{"apiVersion", "kind", "metadata", "spec", "data", "stringData", "status"} {
		f := n.get(name)
		if f == nil {
			continue
		}
		if f.spoilt() {
			return nil
		}
		of = append(of, f)
		o[name] = f.data()
	}
	for _, f := range of {
		f.bad = true
	}
	hint, left := ofObject(o)
	c.wrong(n.get("kind"), rule.UnknownField, fmt.Sprintf("a Kubernetes %s stands in the App", text(o, "kind")),
		cmp.Or(left, "an App says what runs, and becomes all the objects that this takes"), hint)
	return of
}

// nameless says that a set by name has the fields of one that it should have, whose
// name was left out. It gives those fields, and what else fits no better.
func (c *checker) nameless(n *node, s *language.Shape) (told []*node) {
	if len(s.Fields) > 0 || len(s.Patterns) != 1 || isSecret(n.path) {
		return nil
	}
	one := s.Patterns[0]
	var fields []*node
	odd := false
	for _, value := range n.fields {
		misfit := value.kind != cue.StructKind && (!one.Shape.Scalar || !c.fits(value, one.Shape))
		if !value.bad && one.Shape.Field(value.name) != nil {
			fields = append(fields, value)
			odd = odd || misfit
		}
		if misfit || one.Shape.Field(value.name) != nil {
			told = append(told, value)
		}
	}
	if !odd || one.Shape.Scalar && len(fields) < 2 {
		return nil
	}
	names := make([]string, len(fields))
	for i, value := range fields {
		names[i] = value.name
	}
	for _, value := range told {
		value.bad = true
	}
	name := map[string]string{"services": "web", "ports": "http", "expose": "public", "environments": "prod", "volumes": "data"}[n.name]
	at := &node{path: n.path, pos: fields[0].pos}
	if p := c.loc.label(fields[0].path, fields[0].value); p.IsValid() {
		at.pos = p
	}
	n.bad = n.path != "services" // the others are worth a look
	c.wrong(at, rule.WrongValue, fmt.Sprintf("in %s a name is missing around %s", n.path, strings.Join(names, ", ")), "",
		fmt.Sprintf("write %s: %s: {%s: …}", n.name, cmp.Or(name, "NAME"), strings.Join(names, ": …, ")))
	return told
}

// stranger reports whether a struct has fields, but none that are known of the struct
// that it could be.
func (c *checker) stranger(n *node, s *language.Shape) bool {
	for _, value := range n.fields {
		if meant, _ := s.Meant(value.name); meant != nil || nearestName(value.name, s.Names()) != "" || foreignField(n, value) != "" {
			return false
		}
	}
	return len(n.fields) > 0
}

// otherLetters tells of characters in a name that only look like those of a to z.
func otherLetters(name string) string {
	for _, r := range name {
		if r > 0x7f {
			return fmt.Sprintf("it has %q (%U), which is none of a to z", r, r)
		}
	}
	return ""
}
