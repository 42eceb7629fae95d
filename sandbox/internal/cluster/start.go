package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/sandbox/internal/proc"
)

// ComponentError says which component failed, with the last lines of its log.
type ComponentError struct {
	Component string
	Err       error
	Log       string // path of the whole log
	Lines     []string
}

func (e *ComponentError) Error() string { return e.Component + ": " + e.Err.Error() }
func (e *ComponentError) Unwrap() error { return e.Err }

func (c *Cluster) componentError(name string, err error) *ComponentError {
	path := c.layout.Log(name)
	return &ComponentError{Component: name, Err: err, Log: path, Lines: lastLines(path, 10)}
}

// running returns the process of a component, or proc.ErrGone.
func (c *Cluster) running(name string) (proc.Process, error) {
	return proc.Read(c.layout.PID(name))
}

// ensure starts those of the components that do not run and returns when all are healthy that are not in the background.
func (c *Cluster) ensure(ctx context.Context, components ...component) error {
	for _, comp := range components {
		if _, err := c.running(comp.name); err == nil {
			continue
		}
		if err := c.start(comp); err != nil {
			return c.componentError(comp.name, err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, comp := range components {
		if comp.background {
			continue
		}
		group.Go(func() error { return c.awaitHealthy(ctx, comp) })
	}
	return group.Wait()
}

// start starts a component where it belongs.
func (c *Cluster) start(comp component) error {
	if comp.onHost {
		return c.spawn(comp)
	}
	return c.ns.Do(func() error { return c.spawn(comp) })
}

// spawn starts a process that outlives this one, in the namespaces of the calling thread.
func (c *Cluster) spawn(comp component) error {
	log, err := c.openLog(comp.name)
	if err != nil {
		return err
	}
	defer log.Close()
	return c.spawnWith(comp, log)
}

// spawnWith is spawn with a log that is open.
func (c *Cluster) spawnWith(comp component, log *os.File) error {
	program, args := comp.program, comp.args
	if program == "" {
		program, args = "/proc/self/exe", append([]string{"component", comp.name}, args...)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Nothing else of the caller's environment: a proxy or a KUBECONFIG would lead components astray.
	cmd.Env = []string{"PATH=" + c.path, "HOME=/", "OTEL_TRACES_EXPORTER=none", proc.MarkVariable + "=" + c.layout.ID}
	if comp.program == "" {
		cmd.Args[0] = "shipit-sandbox"
	}
	if comp.network != nil {
		cmd.ExtraFiles = []*os.File{comp.network}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.started.Store(comp.name, true)
	go func() { _ = cmd.Wait() }() // reaps; ends with the component or with this program
	process, err := proc.Find(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("ended at once")
	}
	if c.settings.Node {
		if err := c.group.Join(process.PID); err != nil {
			return err
		}
	}
	return process.Write(c.layout.PID(comp.name))
}

// openLog starts a new log, keeping the one before as NAME.log.1.
func (c *Cluster) openLog(name string) (*os.File, error) {
	path := c.layout.Log(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// awaitHealthy waits for one component. One that ran before and does not recover is started anew, once.
func (c *Cluster) awaitHealthy(ctx context.Context, comp component) error {
	const recovery = 15 * time.Second
	if _, ours := c.started.Load(comp.name); !ours {
		err := c.poll(ctx, comp, recovery)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if process, err := c.running(comp.name); err == nil {
			if err := proc.Kill(ctx, process); err != nil {
				return err
			}
		}
		if err := c.start(comp); err != nil {
			return c.componentError(comp.name, err)
		}
	}
	if err := c.poll(ctx, comp, patience); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.componentError(comp.name, err)
	}
	return nil
}

func (c *Cluster) poll(ctx context.Context, comp component, patience time.Duration) error {
	return retry(ctx, patience, func() (bool, error) {
		if _, err := c.running(comp.name); err != nil {
			return false, errors.New("ended while starting")
		}
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := comp.healthy(asking); err != nil {
			return true, fmt.Errorf("not healthy: %w", err)
		}
		return false, nil
	})
}

// lastLines returns the end of a file that may be long.
func lastLines(path string, count int) []string {
	const window = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > window {
		_, _ = file.Seek(-window, io.SeekEnd)
	}
	data, _ := io.ReadAll(file)
	text := strings.TrimSpace(string(data))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-count):]
}
