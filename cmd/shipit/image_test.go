package main

import (
	"context"
	"fmt"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shipit-dev/shipit/internal/testimage"
)

// image pushes an image of the test program, and prints its reference:
// `image NAME USER [VOLUME...]`.
func (c *testCluster) image(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: image NAME USER [VOLUME...]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ref, err := testimage.PushAs(ctx, c.registry, ts.Getenv("NS")+"/"+args[0], args[1], args[2:]...)
	ts.Check(err)
	ts.Setenv("IMAGE", ref)
	fmt.Fprintln(ts.Stdout(), ref)
}
