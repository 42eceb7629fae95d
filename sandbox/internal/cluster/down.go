package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/cgroup"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
	"github.com/shipit-dev/shipit/sandbox/internal/proc"
)

// Down ends every process of the sandbox and removes its files; with keepData all files stay, and the next Up continues from
// them. It needs nothing of the sandbox to be intact. It returns ErrAbsent when there is nothing to take down.
func Down(ctx context.Context, l layout.Layout, keepData bool) error {
	if _, err := os.Stat(l.Base); errors.Is(err, fs.ErrNotExist) {
		return ErrAbsent
	}
	held, err := lock(ctx, l)
	if err != nil {
		return err
	}
	defer held.Close()
	absent := !exists(l.Home)
	c := newCluster(l, Settings{}, "")
	processes, err := c.processes()
	if err != nil {
		return err
	}
	absent = absent && len(processes) == 0
	if err := c.stop(ctx); err != nil {
		return err
	}
	if !keepData {
		if err := removeAll(ctx, l.Home); err != nil {
			return err
		}
	}
	_ = os.Remove(l.Lock())
	// Folders that only sandboxes use go with the last of them; a folder that is not empty stays.
	_ = os.Remove(l.Base)
	_ = os.Remove(filepath.Dir(l.Run))
	if absent {
		return ErrAbsent
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// processes returns every process of the sandbox: those that carry its mark, and those in its control groups, where pods are.
func (c *Cluster) processes() ([]proc.Process, error) {
	all, err := proc.Marked(c.layout.ID)
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, p := range all {
		seen[p.PID] = true
	}
	for _, pid := range c.group.Processes() {
		if p, err := proc.Find(pid); err == nil && !seen[pid] && pid != os.Getpid() {
			all = append(all, p)
		}
	}
	return all, nil
}

// stop kills every process of the sandbox, which ends its namespaces with their mounts and interfaces, and removes what lives
// no longer than they do. A component is killed, not asked: an API server that drains would serve on beside the next one.
func (c *Cluster) stop(ctx context.Context) error {
	const grace = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := c.ns.Close(); err != nil {
		return err
	}
	c.ns = nil
	for {
		processes, err := c.processes()
		if err != nil {
			return err
		}
		if len(processes) == 0 {
			break
		}
		if err := proc.Kill(ctx, processes...); err != nil {
			return fmt.Errorf("stopping sandbox %s: %w", c.layout.Name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := cgroup.New(c.layout.ID).Remove(ctx); err != nil {
		return err
	}
	return os.RemoveAll(c.layout.Run)
}

// removeAll waits for a mount namespace that has just lost its last process: the kernel unmounts a moment later.
func removeAll(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return retry(ctx, 10*time.Second, func() (bool, error) {
		err := os.RemoveAll(dir)
		return err != nil, err
	})
}
