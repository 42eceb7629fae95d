package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// snapshot is what a sandbox could leave on a machine, as sorted lines.
type snapshot map[string][]string

func takeSnapshot() (snapshot, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	s := snapshot{"mounts": lines(string(mounts))}
	for _, i := range interfaces {
		s["interfaces"] = append(s["interfaces"], i.Name)
	}
	for _, program := range []string{"iptables-save", "iptables-legacy-save"} {
		if path, err := exec.LookPath(program); err == nil {
			rules, _ := exec.Command(path).Output()
			s[program] = lines(string(bytes.ReplaceAll(rules, []byte("\r"), nil)))
		}
	}
	for _, dir := range []string{
		"/run", "/tmp", "/var/lib", "/var/log", "/opt", "/etc/cni", "/var/lib/kubelet", "/var/lib/cni", "/var/lib/containerd",
		"/usr/libexec/kubernetes", "/run/containerd", "/run/netns",
	} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			s["files"] = append(s["files"], filepath.Join(dir, e.Name()))
		}
	}
	for _, tunable := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"} {
		value, _ := os.ReadFile("/proc/sys/" + tunable)
		s["tunables"] = append(s["tunables"], tunable+"="+string(value))
	}
	return s, nil
}

func lines(text string) []string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") { // iptables-save writes the time
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	sort.Strings(kept)
	return kept
}

// added returns what is in s and was not in old, except what contains one of the words: other programs of the machine go on.
func (s snapshot) added(old snapshot, except ...string) []string {
	var added []string
	for kind, now := range s {
		was := map[string]bool{}
		for _, line := range old[kind] {
			was[line] = true
		}
		for _, line := range now {
			if !was[line] && !containsAny(line, except) {
				added = append(added, kind+": "+line)
			}
		}
	}
	sort.Strings(added)
	return added
}

func containsAny(line string, words []string) bool {
	for _, word := range words {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}

// marked returns the processes that carry a mark, by number.
func marked(mark string) []int {
	return processes(func(dir string) bool {
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		return bytes.Contains(append(environ, 0), []byte(mark+"\x00"))
	})
}

// inNetworks returns the processes that live in one of the network namespaces.
func inNetworks(networks map[string]bool) []int {
	return processes(func(dir string) bool {
		network, _ := os.Readlink(filepath.Join(dir, "ns/net"))
		return networks[network]
	})
}

func processes(match func(dir string) bool) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && match(dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cgroups returns the control groups whose path contains a sandbox's ID.
func cgroups(id string) []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), id) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// networksOf returns the network namespaces that a sandbox's processes and its pods live in, but not the host's.
func networksOf(t *testing.T, mark string) map[string]bool {
	t.Helper()
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	pids := marked(mark)
	for _, group := range cgroups(strings.TrimPrefix(mark, "SHIPIT_SANDBOX_ID=")) {
		_ = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "cgroup.procs" {
				data, _ := os.ReadFile(path)
				for _, field := range strings.Fields(string(data)) {
					pid, _ := strconv.Atoi(field)
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	networks := map[string]bool{}
	for _, pid := range pids {
		network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil && network != host {
			networks[network] = true
		}
	}
	return networks
}
