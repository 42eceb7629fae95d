package apply

import "testing"

// The commands that hints name are such as kubectl takes, of what has a namespace and of
// what has none; and none deletes more than the object that it names.
func TestHintsOfImmutable(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*InvalidError{
		"give it another name, or delete it and deploy again, with nothing there in between: kubectl -n shop delete service web":    {Object: Ref{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "web"}},
		"give it another name, or delete it and deploy again, with nothing there in between: kubectl delete storageclass fast":      {Object: Ref{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: "fast"}},
		"give it another name, or delete it and deploy again, with nothing there in between: kubectl delete widget.example.com one": {Object: Ref{APIVersion: "example.com/v1", Kind: "Widget", Name: "one"}},
		"give it another name: with this one, all objects of its kind would be deleted, in every namespace":                         {Object: Ref{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: "widgets.example.com"}},
	} {
		if err.Immutable = true; err.Hint() != want {
			t.Errorf("%s: hint %q, want %q", err.Object, err.Hint(), want)
		}
	}
}
