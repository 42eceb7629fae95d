package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Unready says why a sandbox cannot start on this machine as it is, and what would help.
type Unready struct {
	Problem string
	Hint    string
}

func (u *Unready) Error() string { return u.Problem }

// tools are the programs of the machine that a node needs.
type tools struct {
	containerd string
	cniPlugins string
}

// SearchPath adds the folders of administrators' programs to a $PATH: iptables and runc are there, and sudo often drops them.
func SearchPath(path string) string {
	return strings.Trim(path+":/usr/local/sbin:/usr/sbin:/sbin", ":")
}

// findTools looks for every program before anything starts, and names all that are missing at once.
func findTools(path string) (tools, error) {
	var found tools
	var missing []string
	for _, program := range []struct{ name, debian string }{
		{"containerd", "containerd"},
		{"containerd-shim-runc-v2", "containerd"},
		{"runc", "runc"},
		{"iptables", "iptables"},
	} {
		file, ok := look(path, program.name)
		if !ok {
			missing = append(missing, program.name)
		}
		if program.name == "containerd" {
			found.containerd = file
		}
	}
	dir, ok := cniPlugins()
	if !ok {
		missing = append(missing, "CNI plugins (bridge, host-local, loopback, portmap)")
	}
	found.cniPlugins = dir
	if len(missing) > 0 {
		return tools{}, &Unready{
			Problem: "a node needs programs that are not installed: " + strings.Join(missing, ", "),
			Hint: "on Debian and Ubuntu: apt-get install containerd runc containernetworking-plugins iptables; " +
				"or start without a node: --control-plane-only",
		}
	}
	return found, nil
}

func look(path, program string) (string, bool) {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, program)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, true
		}
	}
	return "", false
}

// cniPlugins knows where distributions (Debian, then Fedora) and everybody else put them.
func cniPlugins() (string, bool) {
	for _, dir := range []string{"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"} {
		complete := true
		for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap"} {
			if _, ok := look(dir, plugin); !ok {
				complete = false
			}
		}
		if complete {
			return dir, true
		}
	}
	return "", false
}

// checkKernel tells what a container or an unusual kernel may lack, loading the kernel modules that are merely not loaded.
func checkKernel() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	const needed = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
	if capabilities, ok := effective(string(status)); ok && capabilities&needed != needed {
		return &Unready{
			Problem: "a node needs the rights to mount and to make networks (CAP_SYS_ADMIN, CAP_NET_ADMIN), which root lacks here",
			Hint:    "in a container, run it privileged; or start without a node: --control-plane-only",
		}
	}
	const bridge = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	if _, err := os.Stat(bridge); err == nil {
		return nil
	}
	_ = exec.Command("modprobe", "-a", "br_netfilter", "overlay").Run() // it is judged by what it brings
	if _, err := os.Stat(bridge); err != nil {
		return &Unready{
			Problem: "the kernel passes no bridged packets to iptables, which Services need",
			Hint:    "load its module: modprobe br_netfilter",
		}
	}
	return nil
}

// effective reads the capabilities that a process has from its /proc/PID/status.
func effective(status string) (capabilities uint64, ok bool) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, "CapEff:"); found {
			capabilities, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return capabilities, err == nil
		}
	}
	return 0, false
}

// needDisk is what a new cluster writes before it is ready, with room to spare.
const needDisk = 300 << 20

func checkDisk(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	free := st.Bavail * uint64(st.Bsize)
	if free < needDisk {
		return &Unready{
			Problem: fmt.Sprintf("the disk of %s has %d MiB left; a sandbox needs %d MiB", dir, free>>20, needDisk>>20),
			Hint:    "free some space, or set SHIPIT_SANDBOX_HOME to a folder on another disk",
		}
	}
	return nil
}

// checkPort tells a port that another program took since it was chosen.
func (c *Cluster) checkPort(what, flag string, port int) error {
	err := portFree(port)
	if err == nil {
		return nil
	}
	problem := fmt.Sprintf("port %s:%d, which is this sandbox's port of the %s, is taken by another program", loopback, port, what)
	if !errors.Is(err, unix.EADDRINUSE) {
		problem = fmt.Sprintf("port %s:%d of the %s cannot be opened: %v", loopback, port, what, err)
	}
	return &Unready{Problem: problem, Hint: "free the port, or choose another with " + flag}
}

// isOverlay says whether a folder lies on an overlay file system, on which containerd cannot stack its own.
func isOverlay(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}
