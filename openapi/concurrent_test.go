package openapi_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/openapi"
)

// One validator serves several goroutines, also when nothing is decoded yet. The
// race detector sees whether it may.
func TestConcurrentUse(t *testing.T) {
	openapi.Forget()
	objects := append(read(t, "testdata/good.yaml"), read(t, "testdata/gateway.yaml")[:5]...)
	v, err := openapi.New("1.36", crds(t)...)
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			if found := v.Validate(objects); len(found) > 0 {
				t.Error(text(found))
			}
			return nil
		})
	}
	_ = g.Wait()
}
