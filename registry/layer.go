package registry

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// entry is a file or, with a name that ends in a slash, a directory.
type entry struct {
	name string // without a leading slash
	mode fs.FileMode
	uid  int
	size int64
	open func() (io.ReadCloser, error) // nil for a directory
}

func dirEntry(name string, mode fs.FileMode) entry { return entry{name: name + "/", mode: mode} }

// fileEntry is a file that everybody may read and nobody may run.
func fileEntry(name string, content []byte) entry {
	return entry{name: name, mode: 0o644, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// layer is a compressed layer, kept in memory or in a file.
type layer struct {
	digest, diffID v1.Hash
	size           int64
	open           func() (io.ReadCloser, error)
}

// writeLayer writes entries as a gzipped tar to w, sorted by name, with one
// time for all and root as their owner unless an entry has another.
//
// The compressor is a module of a fixed version and not the standard
// library's, whose output may change with the toolchain that shipit itself was
// built with.
func writeLayer(w io.Writer, created time.Time, entries []entry) (*layer, error) {
	l := &layer{}
	digest, diffID := sha256.New(), sha256.New()
	count := &counter{}
	zw, err := gzip.NewWriterLevel(io.MultiWriter(w, digest, count), gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(io.MultiWriter(zw, diffID))
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range entries {
		if err := writeEntry(tw, created, e); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	l.digest, l.diffID, l.size = sum(digest), sum(diffID), count.n
	return l, nil
}

func writeEntry(tw *tar.Writer, created time.Time, e entry) error {
	// Extended headers are left out where they can be: USTAR has one way to
	// write an entry, and numbers in place of the names of owners.
	h := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     e.name,
		Mode:     int64(e.mode.Perm()),
		Uid:      e.uid,
		Gid:      e.uid,
		Size:     e.size,
		ModTime:  created,
		Format:   tar.FormatUSTAR,
	}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	if e.open == nil {
		h.Typeflag = tar.TypeDir
		return tw.WriteHeader(h)
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	r, err := e.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(tw, r)
	return err
}

// writeLayerFile writes a layer to a file, for content too large to hold.
func writeLayerFile(path string, created time.Time, entries []entry) (*layer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := writeLayer(f, created, entries)
	if err != nil {
		return nil, err
	}
	l.open = func() (io.ReadCloser, error) { return os.Open(path) }
	return l, f.Close()
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest, DiffID, Compressed, Uncompressed, Size and MediaType make a v1.Layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the tar.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Compressed gives the gzipped tar.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.open() }

// Uncompressed gives the tar.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	r, err := l.open()
	if err != nil {
		return nil, err
	}
	zr, err := gzip.NewReader(r)
	if err != nil {
		r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{zr, r}, nil
}

// Size is of the gzipped tar, in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType is OCI's.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
