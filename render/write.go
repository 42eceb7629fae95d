package render

import (
	"bytes"
	"encoding/json"
	"maps"
	"runtime"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// YAML writes the units' objects as a stream of documents, keys sorted. What it
// writes is for people and logs: Secrets are without their data.
func YAML(units []Unit) ([]byte, error) {
	var objects []*unstructured.Unstructured
	for _, u := range units {
		objects = append(objects, u.Objects...)
	}
	parts := make([]yamlWriter, min(len(objects), runtime.GOMAXPROCS(0)))
	var g errgroup.Group
	for i := range parts {
		g.Go(func() error {
			for _, o := range objects[i*len(objects)/len(parts) : (i+1)*len(objects)/len(parts)] {
				if o != objects[0] {
					parts[i].text("---\n")
				}
				if err := parts[i].document(shown(o)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	size := 0
	for i := range parts {
		size += len(parts[i].out)
	}
	all := make([]byte, 0, size)
	for i := range parts {
		all = append(all, parts[i].out...)
	}
	return all, nil
}

// JSON writes the units' objects as one v1 List, keys sorted, Secrets without
// their data.
func JSON(units []Unit) ([]byte, error) {
	items := []any{}
	for _, u := range units {
		for _, o := range u.Objects {
			items = append(items, shown(o))
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	return buf.Bytes(), err
}

func shown(o *unstructured.Unstructured) map[string]any {
	if o.GetKind() != "Secret" {
		return o.Object
	}
	fields := maps.Clone(o.Object)
	delete(fields, "data")
	return fields
}
