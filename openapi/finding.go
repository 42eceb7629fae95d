package openapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the API server refuses the object
	Warning Severity = "warning" // it takes it, but it is probably not what is meant
)

// Finding is one thing that is wrong with an object.
type Finding struct {
	// Object is the number of the object in the slice that was validated.
	Object     int    `json:"-"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`

	// Path is the field concerned, which may not be there; empty is the object.
	Path Path `json:"field,omitempty"`

	Rule     string   `json:"rule"` // one of Rules
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`        // what is wrong, in one line
	Why      string   `json:"why,omitempty"`  // why that is so
	Hint     string   `json:"hint,omitempty"` // what to write instead
}

// Path leads from an object to a field of it.
type Path []Step

// Step is one step of a path: into the field Name; into the entry Name of a map,
// when Entry is set; or, when Name is empty and Entry is not set, into the element
// Index of a list.
type Step struct {
	Name  string
	Index int
	Entry bool
}

// String gives the path as Kubernetes writes it:
// spec.template.spec.containers[0].image, metadata.labels[app.kubernetes.io/name].
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Entry:
			b.WriteString("[" + s.Name + "]")
		case s.Name == "":
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

// MarshalText writes the path as String does.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// compare orders findings by object, then as the fields are written in it.
func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Object, b.Object),
		slices.CompareFunc(a.Path, b.Path, func(x, y Step) int {
			return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Index, y.Index))
		}),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Message, b.Message),
	)
}
