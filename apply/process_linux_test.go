package apply

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Where /proc is mounted with hidepid, the process of another user looks in it as
// if it were not there. The test runs itself again, in namespaces of its own: as
// the first process there, which mounts /proc, starts the other one, and judges it
// as another user.
func TestProcessHiddenByProc(t *testing.T) {
	switch os.Getenv("APPLY_TEST_HIDEPID") {
	case "holder":
		fmt.Println("holder " + thisProcess().String())
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	case "judge":
		judgeHidden(t)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can mount /proc")
	}
	t.Parallel()
	cmd := testAgain(t, "judge")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skip("namespaces cannot be made here: ", err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out))
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func testAgain(t *testing.T, as string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "APPLY_TEST_HIDEPID="+as)
	return cmd
}

func judgeHidden(t *testing.T) {
	if err := mountHidden(); err != nil {
		t.Skip("/proc cannot be mounted with hidepid: ", err)
	}
	cmd := testAgain(t, "holder")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var holder process
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "holder "); ok {
			holder = parseProcess(text)
			break
		}
	}
	if holder.PID != cmd.Process.Pid || holder.liveness() != alive {
		t.Fatalf("before it is hidden: %+v, liveness %d", holder, holder.liveness())
	}
	// The group of root may see all.
	must(t, syscall.Setgroups(nil))
	must(t, syscall.Setgid(65534))
	must(t, syscall.Setuid(65534))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", holder.PID)); !os.IsNotExist(err) {
		t.Fatalf("/proc shows it: %v", err)
	}
	if got := holder.liveness(); got != unknownLiveness {
		t.Errorf("hidden and running: liveness %d, want %d", got, unknownLiveness)
	}
	must(t, in.Close())
	must(t, cmd.Wait())
	if got := holder.liveness(); got != dead {
		t.Errorf("hidden and ended: liveness %d, want %d", got, dead)
	}
}

// mountHidden mounts the /proc of this pid namespace, for this mount namespace alone.
func mountHidden() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount("proc", "/proc", "proc", 0, "hidepid=2")
}
