package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/shipit-dev/shipit/schema"
)

// definitions reads the CustomResourceDefinitions in a folder and those below it,
// from files that end with .yaml, .yml or .json. Other objects are passed over.
func definitions(dir string) ([]schema.Object, error) {
	var out []schema.Object
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".yaml", ".yml", ".json":
		default:
			return nil
		}
		found, err := definitionsIn(dir, path)
		out = append(out, found...)
		return err
	})
	if err == nil && len(out) == 0 {
		err = errors.New("there is no CustomResourceDefinition")
	}
	if err != nil {
		return nil, fmt.Errorf("the definitions of kinds in %s: %w", dir, err)
	}
	return out, nil
}

// maxDefinitions bounds a file of them, the largest of which have some megabytes.
const maxDefinitions = 64 << 20

func definitionsIn(dir, path string) ([]schema.Object, error) {
	data, err := schema.ReadBelow(dir, path, maxDefinitions)
	if err != nil {
		return nil, err
	}
	var out []schema.Object
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var o unstructured.Unstructured
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if o.GetKind() == "CustomResourceDefinition" {
			out = append(out, schema.Object{Path: path, Object: o.Object})
		}
	}
}
