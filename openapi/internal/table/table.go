// Package table is the form in which openapi keeps the schemas of several
// Kubernetes versions: once, each part with the set of versions that have it.
// The generator writes it, openapi reads it; both must agree, so it is one
// package. It holds only what decides whether an object is valid.
package table

// Mask is a set of Kubernetes versions: bit i stands for Table.Versions[i].
type Mask uint8

// Has reports whether version number i is in the set.
func (m Mask) Has(i int) bool { return m&(1<<i) != 0 }

// Table is everything, as the generator makes it.
type Table struct {
	Versions []string // "v1.33.13": the releases that were read, oldest first; at most eight
	Kinds    []Kind
	Defs     []Def
}

// Kind is one kind in one API version.
type Kind struct {
	Group, Version, Kind string
	Def                  int  // of Defs, -1 when no version of the table serves it
	In                   Mask // the versions that serve it
	Namespaced           bool
	Kept                 bool // it is stored; a review or a binding is only asked
	Deprecated           int  // the minor version from which it is deprecated, 0 never
	Removed              int  // the minor version that no longer serves it, 0 never
	Replacement          string
}

// Def is a structure that others refer to: its fields, ordered by name. A field
// whose type changed between versions is there more than once.
type Def struct {
	Fields []Field
}

// Field is one field of a Def.
type Field struct {
	Name     string
	In       Mask // the versions that have it with this type
	Required Mask
	Type     Type
}

// Shape is what a value looks like.
type Shape uint8

// The shapes. Their numbers are in the file: only add at the end.
const (
	Any         Shape = iota // anything
	Object                   // an object whose fields are nobody's business here
	Struct                   // Def
	Map                      // string → Elem
	List                     // of Elem
	String                   //
	Bytes                    // a string in base64
	Time                     // a string as RFC 3339 has it
	Int32                    //
	Int64                    //
	Number                   //
	Bool                     //
	IntOrString              //
	Quantity                 // a number, or a string such as 250m
)

// Order is the x-kubernetes-list-type of a list.
type Order uint8

// The list types. Their numbers are in the file.
const (
	Atomic Order = iota // replaced as a whole; also where the schema says nothing
	Set                 // no value twice
	Keyed               // a list whose elements are told apart by Keys
)

// Type is the type of a field or an element.
type Type struct {
	Shape   Shape
	Def     int      // of a Struct
	Always  bool     // of a Struct: left out, it is there and empty
	Elem    *Type    // of a Map or List
	Order   Order    // of a List
	Keys    []string // of a List that is Keyed
	Enum    []Value  // of a String: all that it may be; empty is anything
	Default string   // of a String: what it is when it is left out
}

// Value is one value of an enum.
type Value struct {
	Text string
	In   Mask
}
