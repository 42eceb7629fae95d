package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// holds prints the objects and events of the namespace that hold a text, however
// it is wrapped: `holds TEXT`.
func (c *testCluster) holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: holds TEXT")
	}
	out := ts.Stdout()
	for _, r := range append(slices.Clone(resources), schema.GroupVersionResource{Version: "v1", Resource: "events"}) {
		for _, o := range c.list(ts, r) {
			plain, err := json.Marshal(o.Object)
			ts.Check(err)
			if bytes.Contains(append(plain, unwrapped(ts, o)...), []byte(args[0])) {
				fmt.Fprintln(out, r.Resource, o.GetName())
			}
		}
	}
}

// unwrapped is the data of a Secret, and what is in it when that is compressed.
func unwrapped(ts *testscript.TestScript, o unstructured.Unstructured) []byte {
	var all []byte
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	for _, text := range data {
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue // a ConfigMap's
		}
		all = append(all, value...)
		r, err := zstd.NewReader(nil)
		ts.Check(err)
		if inner, err := r.DecodeAll(value, nil); err == nil {
			all = append(all, inner...)
		}
		r.Close()
	}
	return all
}
