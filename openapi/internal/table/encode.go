package table

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The file is a line of text, so that a person and a test can see what it was
// made from, and a zstd frame with, all numbers as unsigned varints:
//
//	strings  how many, their lengths, their bytes
//	kinds    how many, each kind
//	defs     how many, the length of each, each def
//
// The lengths let a reader decode only the defs that it needs.
const magic = "shipit kubernetes schemas 1:"

// Encode gives the file of t. The same table gives the same bytes.
func Encode(t Table) ([]byte, error) {
	if len(t.Versions) > 8 {
		return nil, fmt.Errorf("%d versions do not fit a mask of eight", len(t.Versions))
	}
	e := newEncoder(t)
	body := e.uint(nil, len(e.names))
	for _, s := range e.names {
		body = e.uint(body, len(s))
	}
	body = append(body, strings.Join(e.names, "")...)
	body = e.uint(body, len(t.Kinds))
	for _, k := range t.Kinds {
		body = e.kind(body, k)
	}
	body = e.uint(body, len(t.Defs))
	var defs []byte
	for _, d := range t.Defs {
		def := e.def(nil, d)
		body = e.uint(body, len(def))
		defs = append(defs, def...)
	}
	body = append(body, defs...)
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	header := magic + " " + strings.Join(t.Versions, " ") + "\n"
	return w.EncodeAll(body, []byte(header)), w.Close()
}

type encoder struct {
	names  []string
	number map[string]int
}

// newEncoder numbers the strings of t in their order, which compresses best.
func newEncoder(t Table) *encoder {
	e := &encoder{number: map[string]int{}}
	var ofType func(Type)
	add := func(s ...string) { e.names = append(e.names, s...) }
	ofType = func(x Type) {
		add(x.Default)
		add(x.Keys...)
		for _, v := range x.Enum {
			add(v.Text)
		}
		if x.Elem != nil {
			ofType(*x.Elem)
		}
	}
	for _, k := range t.Kinds {
		add(k.Group, k.Version, k.Kind, k.Replacement)
	}
	for _, d := range t.Defs {
		for _, f := range d.Fields {
			add(f.Name)
			ofType(f.Type)
		}
	}
	slices.Sort(e.names)
	e.names = slices.Compact(e.names)
	for i, s := range e.names {
		e.number[s] = i
	}
	return e
}

func (e *encoder) uint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func (e *encoder) string(b []byte, s string) []byte { return e.uint(b, e.number[s]) }

func (e *encoder) kind(b []byte, k Kind) []byte {
	b = e.string(b, k.Group)
	b = e.string(b, k.Version)
	b = e.string(b, k.Kind)
	b = e.uint(b, k.Def+1)
	b = append(b, byte(k.In), bit(k.Namespaced, 1)|bit(k.Kept, 2))
	b = e.uint(b, k.Deprecated)
	b = e.uint(b, k.Removed)
	return e.string(b, k.Replacement)
}

func bit(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}

func (e *encoder) def(b []byte, d Def) []byte {
	b = e.uint(b, len(d.Fields))
	for _, f := range d.Fields {
		b = e.string(b, f.Name)
		b = append(b, byte(f.In), byte(f.Required))
		b = e.typ(b, f.Type)
	}
	return b
}

func (e *encoder) typ(b []byte, t Type) []byte {
	b = append(b, byte(t.Shape))
	switch t.Shape {
	case Struct:
		b = append(e.uint(b, t.Def), bit(t.Always, 1))
	case Map:
		b = e.typ(b, *t.Elem)
	case List:
		b = append(b, byte(t.Order))
		b = e.uint(b, len(t.Keys))
		for _, k := range t.Keys {
			b = e.string(b, k)
		}
		b = e.typ(b, *t.Elem)
	case String:
		b = e.string(b, t.Default)
		b = e.uint(b, len(t.Enum))
		for _, v := range t.Enum {
			b = append(e.string(b, v.Text), byte(v.In))
		}
	}
	return b
}
