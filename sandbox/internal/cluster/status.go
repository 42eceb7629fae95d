package cluster

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/forward"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// Status is what a sandbox does at the moment.
type Status struct {
	Name       string            `json:"name"`
	Home       string            `json:"home"`
	Ready      bool              `json:"ready"` // every component is healthy that is not in the background, and the node is ready
	Node       bool              `json:"node"`  // it has a real node
	NodeReady  bool              `json:"nodeReady"`
	API        string            `json:"api"`      // on the host
	Registry   string            `json:"registry"` // host:port
	Components []ComponentStatus `json:"components"`
	Open       []Opened          `json:"open,omitempty"`
}

// ComponentStatus is one process.
type ComponentStatus struct {
	Name    string `json:"name"`
	PID     int    `json:"pid,omitempty"` // 0: it does not run
	Healthy bool   `json:"healthy"`
	Problem string `json:"problem,omitempty"`
	// Restarts counts how often it ended by itself and was started again since the sandbox is up.
	Restarts int `json:"restarts,omitempty"`
}

// Opened is a Service that can be reached on the host.
type Opened struct {
	Service string `json:"service"` // namespace/name:port
	URL     string `json:"url"`
}

// Status asks every component at once.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	components := c.components()
	s := Status{
		Name: c.layout.Name, Home: c.layout.Home, Node: c.settings.Node,
		API: c.hostURL(), Registry: c.Registry(),
		Components: make([]ComponentStatus, len(components)),
	}
	kept := readKept(c.keptFile())
	var wg sync.WaitGroup
	for i, comp := range components {
		wg.Go(func() { s.Components[i] = c.componentStatus(ctx, comp, kept[comp.name]) })
	}
	if s.Node && c.api != nil && c.ns != nil {
		wg.Go(func() { s.NodeReady = c.nodeReady(ctx) == nil })
	}
	wg.Wait()
	s.Ready = s.NodeReady || !s.Node
	for i, component := range s.Components {
		s.Ready = s.Ready && (component.Healthy || components[i].background && component.PID != 0)
	}
	forwards, err := forward.ReadFile(c.forwardFile())
	for _, f := range forwards {
		if f.Service != "" {
			s.Open = append(s.Open, Opened{Service: f.Service, URL: "http://" + f.Listen})
		}
	}
	return s, err
}

func (c *Cluster) componentStatus(ctx context.Context, comp component, k kept) ComponentStatus {
	process, err := c.running(comp.name)
	if err != nil {
		return ComponentStatus{Name: comp.name, Problem: k.absent(), Restarts: k.Restarts}
	}
	status := ComponentStatus{Name: comp.name, PID: process.PID, Healthy: true, Restarts: k.Restarts}
	if err := comp.healthy(ctx); err != nil {
		status.Healthy, status.Problem = false, err.Error()
	}
	return status
}

// List returns the names of the sandboxes below a folder, sorted.
func List(base string) ([]string, error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		l := layout.Layout{Home: filepath.Join(base, entry.Name())}
		if exists(l.Settings()) {
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// Log is one component's log file.
type Log struct{ Component, Path string }

// Logs returns the log of one component, or all of them when the name is empty.
func (c *Cluster) Logs(component string) ([]Log, error) {
	var logs []Log
	var names []string
	for _, comp := range c.components() {
		if comp.name == holderName {
			continue // it says nothing
		}
		names = append(names, comp.name)
		if component == "" || component == comp.name {
			logs = append(logs, Log{Component: comp.name, Path: c.layout.Log(comp.name)})
		}
	}
	if len(logs) == 0 {
		return nil, &UnknownComponent{Name: component, Known: names}
	}
	return logs, nil
}

// UnknownComponent says that a sandbox has no such component, and which it has.
type UnknownComponent struct {
	Name  string
	Known []string
}

func (u *UnknownComponent) Error() string { return "a sandbox has no component " + u.Name }
