package openapi_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/shipit-dev/shipit/openapi"
)

// server is a real API server, of the newest version that is known here.
type server struct {
	client    dynamic.Interface
	validator *openapi.Validator
	namespace string
}

func onServer(t *testing.T) *server {
	t.Helper()
	kubeconfig := os.Getenv("SHIPIT_TEST_KUBECONFIG")
	if kubeconfig == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
			t.Fatal("SHIPIT_TEST_KUBECONFIG must name a cluster")
		}
		t.Skip("SHIPIT_TEST_KUBECONFIG names no cluster")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b [3]byte
	_, _ = rand.Read(b[:])
	s := &server{client: client, validator: validator(t, "1.36"), namespace: "openapi-" + hex.EncodeToString(b[:])}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ns := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	fields := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": s.namespace}}
	if _, err := client.Resource(ns).Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Resource(ns).Delete(context.Background(), s.namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return s
}

// apply asks the server what it says to an object: server-side apply, as a deploy
// does it, strict and without keeping anything.
func (s *server) apply(ctx context.Context, o *unstructured.Unstructured) error {
	gvr, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	namespaced, served := s.validator.Served(o.GetAPIVersion(), o.GetKind())
	var r dynamic.ResourceInterface = s.client.Resource(gvr)
	if namespaced || !served {
		r = s.client.Resource(gvr).Namespace(s.namespace)
	}
	body, err := yaml.Marshal(o.Object)
	if err != nil {
		return err
	}
	force := true
	_, err = r.Patch(ctx, o.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
		FieldManager: "shipit", Force: &force, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	return err
}

// define makes a CustomResourceDefinition for the test, and waits until it is
// served.
func (s *server) define(t *testing.T, crd *unstructured.Unstructured) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := s.client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	if _, err := r.Apply(ctx, crd.GetName(), crd, metav1.ApplyOptions{FieldManager: "shipit-test", Force: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Delete(context.Background(), crd.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	w, err := r.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + crd.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if o, ok := e.Object.(*unstructured.Unstructured); ok && established(o) {
			return
		}
	}
	t.Fatalf("%s is not established: %v", crd.GetName(), ctx.Err())
}

func established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		m, ok := c.(map[string]any)
		if ok && m["type"] == "Established" && m["status"] == "True" {
			return true
		}
	}
	return false
}
