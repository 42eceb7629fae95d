package cluster

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// ComponentStatus is one component now. PID is 0 when it does not run; Problem is empty when it does its work.
type ComponentStatus struct {
	Name    string `json:"name"`
	PID     int    `json:"pid,omitempty"`
	Healthy bool   `json:"healthy"`
	Problem string `json:"problem,omitempty"`
}

// Status is a sandbox now.
type Status struct {
	Name       string            `json:"name"`
	Home       string            `json:"home"`
	Node       bool              `json:"node"` // it has a real node
	Ready      bool              `json:"ready"`
	API        string            `json:"api"`
	Registry   string            `json:"registry"`
	Components []ComponentStatus `json:"components"`
}

// Status asks every component, for at most three seconds.
func (c *Cluster) Status(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	all := c.components()
	s := Status{
		Name: c.layout.Name, Home: c.layout.Home, Node: c.settings.Node, API: c.hostURL(), Registry: c.Registry(),
		Components: make([]ComponentStatus, len(all)),
	}
	joined := c.api != nil && (!c.settings.Node || c.ns != nil)
	var group errgroup.Group
	for i, comp := range all {
		s.Components[i].Name = comp.name
		process, err := c.running(comp.name)
		if err != nil {
			s.Components[i].Problem = "not running"
			continue
		}
		s.Components[i].PID = process.PID
		if !joined {
			s.Components[i].Problem = "its network is gone"
			continue
		}
		group.Go(func() error {
			if err := comp.healthy(ctx); err != nil {
				s.Components[i].Problem = err.Error()
			}
			return nil
		})
	}
	_ = group.Wait() // no function fails: what is wrong is in the status
	s.Ready = joined
	for i := range s.Components {
		s.Components[i].Healthy = s.Components[i].Problem == ""
		s.Ready = s.Ready && s.Components[i].Healthy
	}
	if s.Ready && s.Node {
		s.Ready = c.nodeReady(ctx) == nil
	}
	return s
}
