package namespace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Mounts describes the file system a node sees: the host's, with folders of its own in some places.
type Mounts struct {
	// Dir holds the node's own folders.
	Dir string
	// Keep lists folders of the host that stay visible at their place even below a replaced one.
	Keep []string
}

// replaced maps a folder of the host to the folder below Dir that stands in its place. Kubernetes and containerd have paths
// compiled in (/var/lib/kubelet/device-plugins, /var/log/containers, /run/containerd/s), which would be shared between
// sandboxes and left behind on the host. /run is a tmpfs instead, so that it is empty whenever the node is new, as after a boot.
var replaced = map[string]string{
	"/tmp":     "tmp",
	"/var/lib": "lib",
	"/var/log": "log",
}

// kernelTunables are what the kubelet sets when it finds other values. They are the whole machine's, so the node is shown
// values that please it, and the host's stay as they are.
var kernelTunables = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// Apply sets up the mounts in the current mount namespace, which must be a new one.
func (m Mounts) Apply() error {
	// Mounts of the host arrive here, none goes back; within, they are shared, as volumes with mount propagation need.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("separating mounts from the host: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("sharing mounts within the sandbox: %w", err)
	}
	kept, err := m.openKept()
	if err != nil {
		return err
	}
	defer func() {
		for _, k := range kept {
			k.Close()
		}
	}()
	if err := m.fakeTunables(); err != nil {
		return err
	}
	for _, name := range replaced { // all of them first: the first mount may hide Dir
		if err := os.MkdirAll(filepath.Join(m.Dir, name), 0o755); err != nil {
			return err
		}
	}
	for target, name := range replaced {
		if err := bind(kept[0], name, target); err != nil {
			return err
		}
	}
	if err := os.Chmod("/tmp", 0o1777|os.ModeSticky); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs on /run: %w", err)
	}
	for _, k := range kept {
		if err := restore(k); err != nil {
			return err
		}
	}
	return nil
}

// openKept opens the kept folders before anything hides them.
func (m Mounts) openKept() ([]*os.File, error) {
	var files []*os.File
	for _, dir := range append([]string{m.Dir}, m.Keep...) {
		file, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// bind mounts a folder below an open one on target.
func bind(dir *os.File, name, target string) error {
	if err := unix.Mount(filepath.Join(fdPath(dir), name), target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting the sandbox's own %s: %w", target, err)
	}
	return nil
}

// restore makes a kept folder visible again at its own path when a replaced folder hides it.
func restore(kept *os.File) error {
	path := kept.Name()
	hidden := strings.HasPrefix(path, "/run/")
	for target := range replaced {
		hidden = hidden || strings.HasPrefix(path, target+"/")
	}
	if !hidden {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(fdPath(kept), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keeping %s visible in the sandbox: %w", path, err)
	}
	return nil
}

func (m Mounts) fakeTunables() error {
	dir := filepath.Join(m.Dir, "sysctl")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, value := range kernelTunables {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); err != nil {
			continue // a kernel without it
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shielding %s: %w", target, err)
		}
	}
	return nil
}

func fdPath(file *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", file.Fd()) }
