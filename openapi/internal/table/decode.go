package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Reader reads the file of a table. It decodes the kinds at once and a def when
// it is asked for. It is safe for concurrent use.
type Reader struct {
	Versions []string
	Kinds    []Kind

	names  []string
	starts []int // of each def in defs, and the end
	defs   []byte
}

var errFile = errors.New("not a file of Kubernetes schemas")

// Open reads the file that Encode made.
func Open(file []byte) (*Reader, error) {
	header, frame, _ := bytes.Cut(file, []byte("\n"))
	versions, ok := strings.CutPrefix(string(header), magic)
	if !ok {
		return nil, errFile
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	body, err := z.DecodeAll(frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFile, err)
	}
	r := &Reader{Versions: strings.Fields(versions)}
	c := &cursor{b: body, r: r}
	r.read(c)
	if c.bad {
		return nil, errFile
	}
	return r, nil
}

func (r *Reader) read(c *cursor) {
	lengths := c.uints()
	r.names = make([]string, 0, len(lengths))
	total := 0
	for _, n := range lengths {
		total += n
	}
	text := string(c.take(total))
	for _, n := range lengths {
		if n > len(text) {
			c.bad = true
			return
		}
		r.names = append(r.names, text[:n])
		text = text[n:]
	}
	r.Kinds = make([]Kind, c.count())
	for i := range r.Kinds {
		r.Kinds[i] = c.kind()
	}
	r.starts = []int{0}
	for _, n := range c.uints() {
		r.starts = append(r.starts, r.starts[len(r.starts)-1]+n)
	}
	r.defs = c.take(r.starts[len(r.starts)-1])
}

// Defs is how many defs there are.
func (r *Reader) Defs() int { return len(r.starts) - 1 }

// Def decodes def number i.
func (r *Reader) Def(i int) Def {
	c := &cursor{b: r.defs[r.starts[i]:r.starts[i+1]], r: r}
	d := Def{Fields: make([]Field, c.count())}
	for i := range d.Fields {
		d.Fields[i] = Field{Name: c.string(), In: Mask(c.byte()), Required: Mask(c.byte()), Type: c.typ()}
	}
	return d
}

// cursor reads on from b; bad says that it ran past the end.
type cursor struct {
	b   []byte
	r   *Reader
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad = true
		n = 0
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) byte() byte {
	if b := c.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (c *cursor) uint() int {
	n, size := binary.Uvarint(c.b)
	if size <= 0 || n > 1<<30 {
		c.bad = true
		return 0
	}
	c.b = c.b[size:]
	return int(n)
}

// count is a number of things of at least one byte each.
func (c *cursor) count() int {
	n := c.uint()
	if n > len(c.b) {
		c.bad = true
		return 0
	}
	return n
}

func (c *cursor) uints() []int {
	out := make([]int, c.count())
	for i := range out {
		out[i] = c.uint()
	}
	return out
}

func (c *cursor) string() string {
	n := c.uint()
	if n >= len(c.r.names) {
		c.bad = true
		return ""
	}
	return c.r.names[n]
}

func (c *cursor) kind() Kind {
	k := Kind{Group: c.string(), Version: c.string(), Kind: c.string(), Def: c.uint() - 1, In: Mask(c.byte())}
	flags := c.byte()
	k.Namespaced, k.Kept = flags&1 != 0, flags&2 != 0
	k.Deprecated, k.Removed, k.Replacement = c.uint(), c.uint(), c.string()
	return k
}

func (c *cursor) typ() Type {
	t := Type{Shape: Shape(c.byte())}
	switch t.Shape {
	case Struct:
		t.Def, t.Always = c.uint(), c.byte() != 0
	case Map:
		elem := c.typ()
		t.Elem = &elem
	case List:
		t.Order = Order(c.byte())
		for range c.count() {
			t.Keys = append(t.Keys, c.string())
		}
		elem := c.typ()
		t.Elem = &elem
	case String:
		t.Default = c.string()
		t.Enum = make([]Value, c.count())
		for i := range t.Enum {
			t.Enum[i] = Value{Text: c.string(), In: Mask(c.byte())}
		}
	}
	return t
}
