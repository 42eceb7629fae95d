// Backup copies all parts of the store to a volume, and back.
//
//	backup save          makes a copy, and removes the oldest when there are many
//	backup restore NAME  makes a copy what the store has; "latest" is the newest
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	copies  = "/copies"
	waiting = time.Minute // for one part
)

func main() {
	log.SetFlags(0)
	parts, err := strconv.Atoi(os.Getenv("PARTS"))
	switch {
	case err != nil:
	case len(os.Args) == 2 && os.Args[1] == "save":
		err = save(parts)
	case len(os.Args) == 3 && os.Args[1] == "restore":
		err = restore(parts, os.Args[2])
	default:
		err = fmt.Errorf("usage: backup save | backup restore NAME")
	}
	if err != nil {
		log.Fatal("fatal: ", err)
	}
}

// save has a copy under its name only when it is whole.
func save(parts int) error {
	name := time.Now().UTC().Format("20060102-150405")
	unfinished := filepath.Join(copies, ".unfinished")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	for part := range parts {
		data, err := ask("GET", part, nil)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file(unfinished, part), data, 0o600); err != nil {
			return err
		}
	}
	if err := os.Rename(unfinished, filepath.Join(copies, name)); err != nil {
		return err
	}
	log.Print("saved ", name)
	keep, err := strconv.Atoi(os.Getenv("KEEP"))
	if err != nil {
		return err
	}
	all, err := filepath.Glob(filepath.Join(copies, "[0-9]*"))
	slices.Sort(all)
	for _, old := range all[:max(0, len(all)-keep)] {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	return err
}

func restore(parts int, name string) error {
	if name == "latest" {
		all, err := filepath.Glob(filepath.Join(copies, "[0-9]*"))
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errors.New("there is no copy")
		}
		name = filepath.Base(slices.Max(all))
	}
	for part := range parts {
		data, err := os.ReadFile(file(filepath.Join(copies, name), part))
		if err != nil {
			return err
		}
		if _, err := ask("PUT", part, data); err != nil {
			return err
		}
	}
	log.Print("restored ", name)
	return nil
}

func file(dir string, part int) string { return filepath.Join(dir, fmt.Sprintf("%d.json", part)) }

func ask(method string, part int, body []byte) ([]byte, error) {
	url := fmt.Sprintf("http://kv-%d.kv-headless:%s/all", part, os.Getenv("KV_PORT"))
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: waiting}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, answer)
	}
	return answer, err
}
