package main

import (
	"bytes"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// CUE that takes too much is an invalid configuration.
func TestLimitExit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := exitCode(streams{err: &out}, &schema.LimitError{Dir: "shop", What: "time", Took: "10s"}); code != exitInvalid {
		t.Errorf("exit code %d, want %d", code, exitInvalid)
	}
	if want := "error: evaluating shop takes longer than 10s\nhint: look for "; !bytes.HasPrefix(out.Bytes(), []byte(want)) {
		t.Errorf("it says %s, want %s", &out, want)
	}
}
