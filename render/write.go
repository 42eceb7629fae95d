package render

import (
	"bytes"
	"encoding/json"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// YAML writes the units' objects as a stream of documents, keys sorted. What it
// writes is for people and logs: Secrets are without their data.
func YAML(units []Unit) ([]byte, error) {
	var buf bytes.Buffer
	for _, u := range units {
		for _, o := range u.Objects {
			doc, err := yaml.Marshal(shown(o))
			if err != nil {
				return nil, err
			}
			if buf.Len() > 0 {
				buf.WriteString("---\n")
			}
			buf.Write(doc)
		}
	}
	return buf.Bytes(), nil
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
