package proc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// child starts a process that waits for the end of its input, which never comes.
func child(t *testing.T, mark string) (Process, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = append(os.Environ(), MarkVariable+"="+mark)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	p, err := Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p, cmd
}

func TestMarkedFindsAndKillEnds(t *testing.T) {
	t.Parallel()
	mark := "test-" + filepath.Base(t.TempDir()) + t.Name()
	p, _ := child(t, mark)
	child(t, mark+"-other")
	found, err := Marked(mark)
	if err != nil || len(found) != 1 || found[0] != p {
		t.Fatalf("found %v, %v; want %v", found, err, p)
	}
	if err := Kill(t.Context(), found...); err != nil {
		t.Fatal(err)
	}
	if p.Alive() { // it is a zombie until its parent, this test, waits for it
		t.Error("it is alive")
	}
	if found, err := Marked(mark); err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestAReusedNumberIsAnotherProcess(t *testing.T) {
	t.Parallel()
	p, _ := child(t, "")
	stranger := Process{PID: p.PID, Start: p.Start + 1}
	if stranger.Alive() {
		t.Error("it is alive")
	}
	if err := Kill(t.Context(), stranger); err != nil || !p.Alive() {
		t.Errorf("the wrong process was killed: %v", err)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	if _, err := Read(file); !errors.Is(err, ErrGone) {
		t.Errorf("a missing record: %v", err)
	}
	p, cmd := child(t, "")
	if err := p.Write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(file); err != nil || got != p {
		t.Errorf("read %v, %v; want %v", got, err, p)
	}
	if err := Kill(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := Read(file); !errors.Is(err, ErrGone) {
		t.Errorf("the record of an ended process: %v", err)
	}
}
