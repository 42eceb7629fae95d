package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// journal is a file that only grows: a line for every commit, of its checksum
// and its JSON. A commit whose line is not whole was cut off by a crash before
// anybody was told that it happened, so it did not; it can only be the last.
type journal struct {
	file *os.File
}

const journalName = "log"

// openJournal reads the log in dir into s and writes it anew without what is
// past, so that it does not grow forever.
func openJournal(dir string, s *state) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, journalName)
	if err := replay(path, s); err != nil {
		return nil, err
	}
	file, err := os.Create(path + ".new")
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if err := j.replace(path, s); err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

// replace makes this journal the one at path. At every moment there is a whole
// one: the old or the new.
func (j *journal) replace(path string, s *state) error {
	out := bufio.NewWriter(j.file)
	for c := range s.commits {
		if _, err := out.Write(line(c)); err != nil {
			return err
		}
	}
	if err := errors.Join(out.Flush(), j.file.Sync(), os.Rename(j.file.Name(), path)); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync() // the new name too is on the disk only then
}

// append returns when c is on the disk.
func (j *journal) append(c commit) error {
	if _, err := j.file.Write(line(c)); err != nil {
		return err
	}
	return j.file.Sync()
}

func (j *journal) close() error { return j.file.Close() }

func line(c commit) []byte {
	body := mustJSON(c)
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body)
}

// replay applies the commits of the log at path, which need not exist.
func replay(path string, s *state) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		c, whole := parse(text)
		if !whole {
			if _, err := in.Peek(1); errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("%s:%d: the line is damaged, and it is not the last: restore the volume", path, number)
		}
		s.apply(c)
	}
}

// parse reads a line, and reports whether it is whole.
func parse(text []byte) (c commit, whole bool) {
	sum, body, found := bytes.Cut(bytes.TrimSuffix(text, []byte("\n")), []byte(" "))
	if !found || !bytes.HasSuffix(text, []byte("\n")) || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) {
		return c, false
	}
	return c, json.Unmarshal(body, &c) == nil
}

// mustJSON is for what is JSON by its type.
func mustJSON(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return body
}
