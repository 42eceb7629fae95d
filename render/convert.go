package render

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// convert gives an object's fields without those that say nothing.
func convert(object any) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	prune(fields)
	return &unstructured.Unstructured{Object: fields}, nil
}

// prune removes nulls, empty maps and empty lists, from the inside out. An
// empty emptyDir is kept: being there is all it says.
func prune(fields map[string]any) {
	for key, value := range fields {
		if key == "emptyDir" {
			continue
		}
		switch v := value.(type) {
		case nil:
			delete(fields, key)
		case map[string]any:
			if prune(v); len(v) == 0 {
				delete(fields, key)
			}
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
			if len(v) == 0 {
				delete(fields, key)
			}
		}
	}
}
