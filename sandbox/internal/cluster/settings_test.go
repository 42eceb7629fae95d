package cluster

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

func TestNewSettingsChoosesDifferentPorts(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	used := map[int]bool{}
	for _, name := range []string{"a", "b"} {
		s, err := newSettings(base, UpOptions{ControlPlaneOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range []int{s.APIPort, s.RegistryPort, s.ControllerManagerPort, s.SchedulerPort} {
			if port == 0 || used[port] {
				t.Errorf("%s: port %d in %+v", name, port, s)
			}
			used[port] = true
		}
		path := filepath.Join(base, name, "sandbox.json")
		if err := s.write(path); err != nil {
			t.Fatal(err)
		}
		if got, err := readSettings(path); err != nil || got != s {
			t.Errorf("read %+v, %v; wrote %+v", got, err, s)
		}
	}
}

func TestCheckPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = new(Cluster).checkPort("registry", "--registry-port", taken.Addr().(*net.TCPAddr).Port)
	if err == nil || !strings.Contains(err.Error(), "taken") {
		t.Error(err)
	}
}

func TestFindToolsNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := findTools(t.TempDir())
	for _, tool := range []string{"containerd", "runc", "iptables"} {
		if err == nil || !strings.Contains(err.Error(), tool) {
			t.Errorf("%s: %v", tool, err)
		}
	}
}

func TestCheckDisk(t *testing.T) {
	t.Parallel()
	if err := checkDisk("/proc"); err == nil || !strings.Contains(err.Error(), "0 MiB left") {
		t.Errorf("a file system without room: %v", err)
	}
}

func TestEffectiveCapabilities(t *testing.T) {
	t.Parallel()
	const status = "Name:\tcat\nCapPrm:\t0000000000000001\nCapEff:\t00000000000000ff\n"
	if got, ok := effective(status); !ok || got != 0xff {
		t.Errorf("got %x, %v", got, ok)
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	if got := lastLines(file, 3); got != nil {
		t.Errorf("a missing file: %q", got)
	}
	long := strings.Repeat("x", 100<<10)
	if err := os.WriteFile(file, []byte(long+"\none\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lastLines(file, 2), " "); got != "two three" {
		t.Errorf("got %q", got)
	}
}

// TestTemplates renders every file of a node, so that a field that is missing is found without starting one.
func TestTemplates(t *testing.T) {
	t.Parallel()
	c := newCluster(testLayout(t), Settings{Node: true, APIPort: 1, RegistryPort: 2}, "")
	if err := c.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	if err := c.writeConfig(); err != nil {
		t.Fatal(err)
	}
	for name := range c.configFiles() {
		data, err := os.ReadFile(c.layout.Config(name))
		if err != nil || strings.Contains(string(data), "<no value>") || len(data) == 0 {
			t.Errorf("%s: %v\n%s", name, err, data)
		}
	}
	kubeconfig, err := c.Kubeconfig()
	if err != nil || !strings.Contains(string(kubeconfig), "https://127.0.0.1:1\n") {
		t.Errorf("%v\n%s", err, kubeconfig)
	}
}

func testLayout(t *testing.T) layout.Layout {
	t.Helper()
	l, err := layout.Resolve("test", layout.Roots{SandboxHome: t.TempDir(), RuntimeDir: t.TempDir(), UID: 1})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
