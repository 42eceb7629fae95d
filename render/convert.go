package render

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// convert gives an object's fields without those that say nothing.
func convert(object any) (*unstructured.Unstructured, error) {
	if c, ok := object.(customObject); ok {
		return &unstructured.Unstructured{Object: c.fields()}, nil
	}
	fields := map[string]any{}
	if err := plainFields(reflect.ValueOf(object).Elem(), fields); err != nil {
		return nil, err
	}
	delete(fields, "status")
	prune(fields)
	return &unstructured.Unstructured{Object: fields}, nil
}

// custom is an object of a kind that is no part of Kubernetes. Its spec has the
// values of JSON, and no empty ones.
func (s *service) custom(apiVersion, kind, name string, annotations map[string]string, spec map[string]any) customObject {
	return customObject{metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}, s.meta(name), annotations, spec}
}

type customObject struct {
	metav1.TypeMeta
	meta        metav1.ObjectMeta
	annotations map[string]string
	spec        map[string]any
}

func (c customObject) fields() map[string]any {
	meta := map[string]any{"name": c.meta.Name, "namespace": c.meta.Namespace, "labels": anyMap(c.meta.Labels)}
	if len(c.annotations) > 0 {
		meta["annotations"] = anyMap(c.annotations)
	}
	return map[string]any{"apiVersion": c.APIVersion, "kind": c.Kind, "metadata": meta, "spec": c.spec}
}

func anyMap(m map[string]string) map[string]any {
	fields := make(map[string]any, len(m))
	for k, v := range m {
		fields[k] = v
	}
	return fields
}

// prune removes nulls, empty maps and empty lists, from the inside out. An
// empty emptyDir is kept: being there is all it says. Items of lists stay.
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
