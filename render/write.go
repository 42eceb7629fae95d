package render

import (
	"bytes"
	"encoding/json"

	"sigs.k8s.io/yaml"
)

// YAML writes the units' objects as a stream of documents, keys sorted.
func YAML(units []Unit) ([]byte, error) {
	var buf bytes.Buffer
	for _, u := range units {
		for _, o := range u.Objects {
			doc, err := yaml.Marshal(o.Object)
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

// JSON writes the units' objects as one v1 List, keys sorted.
func JSON(units []Unit) ([]byte, error) {
	items := []any{}
	for _, u := range units {
		for _, o := range u.Objects {
			items = append(items, o.Object)
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	return buf.Bytes(), err
}
