// The program gen makes openapi/schemas.bin from the Kubernetes source modules:
//
//	go run ./openapi/internal/gen
//
// Run it at the root of the repository. It needs the Go module cache or a module
// proxy, and about 2 GB of cache; the same modules give the same bytes. To add a
// Kubernetes version, name its release below.
//
// What it reads of k8s.io/kubernetes: api/openapi-spec/v3 (structures, required
// fields, list keys, and from the paths which kinds are served and whether they
// live in a namespace) and pkg/generated/openapi (enum values, which the
// published specification leaves out). Of k8s.io/api and its sisters: the
// APILifecycle methods (deprecated since, removed in, replaced by), which the API
// server itself answers with; the differences between specifications say when a
// kind came, but not what is yet to go.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// releases are the releases to read: the newest patch of each minor version.
func releases() []string { return []string{"v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3"} }

// lifecycleModules are those whose types have APILifecycle methods.
func lifecycleModules() []string {
	return []string{"k8s.io/api", "k8s.io/kube-aggregator", "k8s.io/apiextensions-apiserver"}
}

func main() {
	log.SetFlags(0)
	out := flag.String("o", "openapi/schemas.bin", "the `file` to write")
	flag.Parse()
	file, err := generate()
	if err == nil {
		err = os.WriteFile(*out, file, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%s: %d bytes", *out, len(file))
}

func generate() ([]byte, error) {
	m := newMerger()
	for i, release := range releases() {
		dir, err := module("k8s.io/kubernetes", release)
		if err != nil {
			return nil, err
		}
		s, err := readSpec(dir)
		if err != nil {
			return nil, fmt.Errorf("reading the specification of %s: %w", release, err)
		}
		e, err := readEnums(dir)
		if err != nil {
			return nil, fmt.Errorf("reading the enums of %s: %w", release, err)
		}
		if err := s.addEnums(e); err != nil {
			return nil, fmt.Errorf("enums of %s: %w", release, err)
		}
		if err := s.adjust(); err != nil {
			return nil, fmt.Errorf("%s: %w", release, err)
		}
		if err := m.add(i, s); err != nil {
			return nil, fmt.Errorf("%s: %w", release, err)
		}
		for _, name := range lifecycleModules() {
			dir, err := module(name, "v0"+release[len("v1"):])
			if err != nil {
				return nil, err
			}
			if err := readLifecycle(dir, m.lifecycle); err != nil {
				return nil, fmt.Errorf("reading %s of %s: %w", name, release, err)
			}
		}
	}
	return table.Encode(m.table(releases()))
}

// module gives the folder of a module's source, downloading it if need be.
func module(path, version string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", path+"@"+version)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if jerr := json.Unmarshal(out, &m); err == nil {
		err = jerr
	}
	if err != nil || m.Error != "" {
		return "", fmt.Errorf("module %s %s: %w: %s%s", path, version, err, m.Error, stderr.String())
	}
	return m.Dir, nil
}
