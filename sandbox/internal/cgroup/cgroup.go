// Package cgroup gives a sandbox control groups of its own, one in each hierarchy of the machine (cgroup v1) or one in all
// (v2). They hold the sandbox's processes and, below them, the pods', so that every process can be found from them.
package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const mountPoint = "/sys/fs/cgroup"

// Group is the same group in every hierarchy.
type Group struct {
	name    string
	unified bool // cgroup v2: one hierarchy
}

// New returns the group of a sandbox. It makes nothing.
func New(id string) Group {
	return Group{name: "shipit-sandbox-" + id, unified: isCgroup2(mountPoint)}
}

// Root is the group's path within a hierarchy, which the kubelet takes as its cgroup root.
func (g Group) Root() string { return "/" + g.name }

func isCgroup2(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

func (g Group) dirs() []string {
	if g.unified {
		return []string{filepath.Join(mountPoint, g.name)}
	}
	entries, _ := os.ReadDir(mountPoint)
	seen := map[string]bool{}
	var dirs []string
	for _, e := range entries {
		// cpu and cpuacct may be links to one mounted hierarchy.
		dir, err := filepath.EvalSymlinks(filepath.Join(mountPoint, e.Name()))
		if err != nil || seen[dir] {
			continue
		}
		seen[dir] = true
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && (st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC) {
			dirs = append(dirs, filepath.Join(dir, g.name))
		}
	}
	return dirs
}

// Create makes the group in every hierarchy, with a child for the components.
func (g Group) Create() error {
	if g.unified {
		enableControllers(mountPoint)
	}
	for _, dir := range g.dirs() {
		if err := os.MkdirAll(filepath.Join(dir, "components"), 0o755); err != nil {
			return fmt.Errorf("making a control group: %w", err)
		}
		if g.unified {
			enableControllers(dir)
		}
		inheritCPUSet(dir)
		inheritCPUSet(filepath.Join(dir, "components"))
	}
	return nil
}

// enableControllers passes every controller that a v2 group has on to its children, as far as the kernel allows.
func enableControllers(dir string) {
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, c := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
}

// inheritCPUSet fills the processors and memory nodes of a v1 cpuset group, without which no process can join it.
func inheritCPUSet(dir string) {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(bytes.TrimSpace(own)) > 0 {
			continue
		}
		if parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name)); err == nil {
			_ = os.WriteFile(filepath.Join(dir, name), bytes.TrimSpace(parent), 0o644)
		}
	}
}

// Join moves a process that was just started into the components' group of every hierarchy.
func (g Group) Join(pid int) error {
	for _, dir := range g.dirs() {
		file := filepath.Join(dir, "components", "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("moving process %d into %s: %w", pid, file, err)
		}
	}
	return nil
}

// Processes returns the numbers of all processes in the group and below it.
func (g Group) Processes() []int {
	seen := map[int]bool{}
	for _, dir := range g.dirs() {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "cgroup.procs" {
				return nil
			}
			data, _ := os.ReadFile(path)
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	var pids []int
	for pid := range seen {
		pids = append(pids, pid)
	}
	sort.Ints(pids)
	return pids
}

// Remove deletes the group and everything below it. No process may be left in it; the kernel takes a moment to notice that
// the last one has gone, which Remove waits for.
func (g Group) Remove(ctx context.Context) error {
	for _, dir := range g.dirs() {
		for {
			err := removeTree(dir)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("removing control group: %w", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
