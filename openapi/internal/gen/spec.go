package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// spec is what the OpenAPI v3 documents of one release say.
type spec struct {
	schemas map[string]*schema
	kinds   map[gvk]served
}

type gvk struct{ Group, Version, Kind string }

func (k gvk) apiVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

// served says how a kind is served.
type served struct {
	namespaced bool
	kept       bool
}

// schema is the part of an OpenAPI schema that the generator understands.
type schema struct {
	Ref                  string             `json:"$ref"`
	AllOf                []*schema          `json:"allOf"`
	OneOf                []*schema          `json:"oneOf"`
	Type                 string             `json:"type"`
	Format               string             `json:"format"`
	Default              any                `json:"default"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	ListType             string             `json:"x-kubernetes-list-type"`
	ListKeys             []string           `json:"x-kubernetes-list-map-keys"`
	GVKs                 []gvk              `json:"x-kubernetes-group-version-kind"`

	Enum []string `json:"-"` // the specification has none; see addEnums
}

type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

func readSpec(dir string) (*spec, error) {
	files, err := filepath.Glob(filepath.Join(dir, "api/openapi-spec/v3/*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no OpenAPI documents in %s: %w", dir, err)
	}
	slices.Sort(files)
	s := &spec{schemas: map[string]*schema{}, kinds: map[gvk]served{}}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var d document
		if err := json.Unmarshal(b, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		for name, x := range d.Components.Schemas {
			s.schemas[name] = x
		}
		if err := s.addPaths(d); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
	}
	return s, nil
}

// addPaths notes the kinds that can be made, from the paths of collections
// (those that take a POST) and of single objects (those that take a PATCH).
func (s *spec) addPaths(d document) error {
	for path, methods := range d.Paths {
		named := strings.HasSuffix(path, "/{name}")
		method := "post"
		if named {
			method = "patch"
		}
		raw, ok := methods[method]
		if !ok || subresource(path) {
			continue
		}
		var op struct {
			GVK gvk `json:"x-kubernetes-group-version-kind"`
		}
		if err := json.Unmarshal(raw, &op); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if op.GVK.Kind == "" {
			continue
		}
		k := s.kinds[op.GVK]
		k.namespaced = k.namespaced || strings.Contains(path, "/namespaces/{namespace}/")
		k.kept = k.kept || named
		s.kinds[op.GVK] = k
	}
	return nil
}

// subresource tells /api/v1/namespaces/{namespace}/pods/{name}/eviction from
// /api/v1/namespaces/{namespace}/pods/{name}.
func subresource(path string) bool {
	_, after, ok := strings.Cut(path, "/{name}")
	return ok && after != ""
}

// schemaOf finds the schema of a kind.
func (s *spec) schemaOf(k gvk) (string, bool) {
	for _, name := range sortedKeys(s.schemas) {
		if slices.Contains(s.schemas[name].GVKs, k) && s.schemas[name].Properties["metadata"] != nil {
			return name, true
		}
	}
	return "", false
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
