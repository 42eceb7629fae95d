package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// kube does to the script's namespace what somebody else would with kubectl:
// `kube apply FILE`, with documents of YAML in which $NS is the namespace, and
// `kube delete FILE`.
func (c *testCluster) kube(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "apply" && args[0] != "delete" {
		ts.Fatalf("usage: kube apply|delete FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text := os.Expand(ts.ReadFile(args[1]), ts.Getenv)
	for _, doc := range strings.Split(text, "---\n") {
		o := &unstructured.Unstructured{}
		ts.Check(yaml.Unmarshal([]byte(doc), &o.Object))
		r, err := c.resource(o)
		ts.Check(err)
		if args[0] == "apply" {
			_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "somebody-else", Force: true})
		} else {
			err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		}
		ts.Check(err)
	}
}

func (c *testCluster) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	r := c.client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural.Resource})
	if o.GetNamespace() == "" {
		return r, nil
	}
	return r.Namespace(o.GetNamespace()), nil
}

// objects prints every object of the namespace that an app could have made.
func (c *testCluster) objects(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout()
	for _, line := range c.all(ts) {
		fmt.Fprintln(out, line[0], line[1])
	}
}
