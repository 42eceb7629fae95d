package apply

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := index{
		header: header{FormatVersion: 1, WrittenBy: "v1.2.3"}, App: "shop", Protected: "prod", SecretsKey: []byte("k"), Recent: []string{"d3"}, Kinds: []kindRef{{"apps/v1", "Deployment"}},
		Expires: map[string]time.Time{"example.com/shop": at},
		Units: map[string]*unitState{"web": {
			Source: "example.com/shop", State: StateDeployed, Release: 2, Healthy: 2, Last: 3, Deploy: "d2", At: at, By: "ann@host",
			Lock:     &unitLock{Deploy: "d3", By: "bob@host", Since: at},
			Releases: []releaseState{{Number: 3, Deploy: "d3", Outcome: RolledBack, At: at, Code: CodeCrashLoop, Cause: "c"}, {Number: 2, Deploy: "d2", Outcome: Deployed, At: at, Images: []string{"i"}}},
		}},
	}
	data, err := encode(want)
	must(t, err)
	var got index
	must(t, decode(data, Ref{}, &got))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	newer, err := encode(map[string]any{"formatVersion": 2, "units": "in a shape that we do not know"})
	must(t, err)
	none, err := encode(map[string]any{"units": map[string]any{}})
	must(t, err)
	whole, err := encode(index{header: header{FormatVersion: 1}, App: "a"})
	must(t, err)
	ref := Ref{Kind: "Secret", Name: "shipit-a"}

	var n *NewerFormatError
	if err := decode(newer, ref, &index{}); !errors.As(err, &n) || n.Version != 2 || n.Known != 1 {
		t.Errorf("newer: %v", err)
	}
	for name, data := range map[string][]byte{"no version": none, "truncated": whole[:len(whole)/2], "empty": nil, "not zstd": []byte("{}")} {
		var d *DamagedStateError
		if err := decode(data, ref, &index{}); !errors.As(err, &d) {
			t.Errorf("%s: got %v, want a DamagedStateError", name, err)
		}
	}
}

// Whatever is found in a state Secret is read, or refused with an error that says
// which of the two it is.
func FuzzDecode(f *testing.F) {
	whole, err := encode(index{header: header{FormatVersion: 1}, App: "a", Units: map[string]*unitState{"web": {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := decode(data, Ref{}, &index{})
		var damaged *DamagedStateError
		var newer *NewerFormatError
		if err != nil && !errors.As(err, &damaged) && !errors.As(err, &newer) {
			t.Errorf("error %v", err)
		}
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, parts int }{{0, 1}, {1, 1}, {10, 1}, {11, 2}, {20, 2}, {35, 4}} {
		data := make([]byte, tt.size)
		for i := range data {
			data[i] = byte(i)
		}
		parts := split(data, 10)
		var whole []byte
		for _, p := range parts {
			whole = append(whole, p...)
		}
		if len(parts) != tt.parts || !bytes.Equal(whole, data) {
			t.Errorf("%d bytes: %d parts of %d bytes", tt.size, len(parts), len(whole))
		}
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	u := &unitState{Release: 14, Healthy: 1, Last: 14}
	for n := 14; n >= 1; n-- {
		u.Releases = append(u.Releases, releaseState{Number: n, Deploy: fmt.Sprint(n)})
	}
	u.trim()
	var got []int
	for _, r := range u.Releases {
		got = append(got, r.Number)
	}
	// The last healthy release stays however old it is.
	if want := []int{14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRecordedKeepsNoSecretValues(t *testing.T) {
	t.Parallel()
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"},
		"data": map[string]any{"k": "djE="}, "stringData": map[string]any{"l": "v2"},
	}}
	got := recorded([]*unstructured.Unstructured{secret})[0]
	if got["data"] != nil || got["stringData"] != nil {
		t.Errorf("values are recorded: %v", got)
	}
	if secret.Object["data"] == nil {
		t.Error("the object given was changed")
	}
}

func TestProcessLiveness(t *testing.T) {
	t.Parallel()
	self := thisProcess()
	if self.Machine == "" {
		t.Skip("no /proc here")
	}
	if got := parseProcess(self.String()); got != self {
		t.Errorf("parsed %+v, want %+v", got, self)
	}
	if self.liveness() != alive {
		t.Error("this process is not alive")
	}
	again := self
	again.Start = "1"
	if again.liveness() != dead {
		t.Error("a pid that is used again passes for the old process")
	}
	elsewhere := self
	elsewhere.Machine = "other"
	if elsewhere.liveness() != unknownLiveness || (process{}).liveness() != unknownLiveness {
		t.Error("a process of another machine is judged")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	must(t, cmd.Start())
	start, _, err := startOf(cmd.Process.Pid)
	must(t, err)
	ended := process{Machine: self.Machine, PID: cmd.Process.Pid, Start: start}
	must(t, cmd.Wait())
	if ended.liveness() != dead {
		t.Error("an ended process is not dead")
	}
}
