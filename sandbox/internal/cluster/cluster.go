// Package cluster brings a sandbox up and takes it down: input is its layout on this machine, output a running Kubernetes
// cluster and registry, as processes of their own that outlive this one. It prints nothing; progress goes to a callback.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/cgroup"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
	"github.com/shipit-dev/shipit/sandbox/internal/namespace"
	"github.com/shipit-dev/shipit/sandbox/internal/proc"
)

// Addresses inside the sandbox's network namespace. Every sandbox uses the same ones, as none can see another.
const (
	nodeName     = "sandbox"
	nodeIP       = "10.90.0.1"
	nodeAddress  = nodeIP + "/24"
	podCIDR      = "10.91.0.0/16"
	serviceCIDR  = "10.96.0.0/16"
	apiServiceIP = "10.96.0.1"
	dnsServiceIP = "10.96.0.10"
	domain       = "cluster.local"
	loopback     = "127.0.0.1"
)

// Cluster is a sandbox, running or not.
type Cluster struct {
	layout   layout.Layout
	settings Settings
	tools    tools
	group    cgroup.Group
	ns       *namespace.Set // nil: on the host
	api      *apiClient
	path     string // search path of programs

	started sync.Map // names of components that this process has started
}

// ErrAbsent says that there is no such sandbox.
var ErrAbsent = errors.New("no such sandbox")

// Open returns the sandbox that was set up in a layout, or ErrAbsent. path is where programs are searched, as in $PATH.
func Open(l layout.Layout, path string) (*Cluster, error) {
	settings, err := readSettings(l.Settings())
	if err != nil {
		return nil, err
	}
	c := newCluster(l, settings, path)
	if err := c.join(); err != nil {
		return nil, err
	}
	return c, nil
}

func newCluster(l layout.Layout, settings Settings, path string) *Cluster {
	return &Cluster{
		layout: l, settings: settings, path: path,
		group: cgroup.New(l.ID),
	}
}

// join opens the namespaces of a running sandbox; it leaves them nil when none runs or it runs on the host.
func (c *Cluster) join() error {
	if c.settings.Node && c.ns == nil {
		processes, err := proc.Marked(c.layout.ID)
		if err != nil {
			return err
		}
		for _, p := range processes {
			if !namespace.Separate(p.PID) {
				continue
			}
			if c.ns, err = namespace.Of(p.PID); err == nil {
				break
			}
		}
	}
	api, err := newAPIClient(c)
	if errors.Is(err, os.ErrNotExist) {
		return nil // set up half-way: there are no certificates yet
	}
	c.api = api
	return err
}

// Close releases what Open or Up has opened. The sandbox keeps running.
func (c *Cluster) Close() {
	_ = c.ns.Close()
}

// HasNode says whether the sandbox has a real node, or a control plane and a registry only.
func (c *Cluster) HasNode() bool { return c.settings.Node }

// Registry is the registry's address, the same for the host and for the node.
func (c *Cluster) Registry() string {
	return fmt.Sprintf("%s:%d", loopback, c.settings.RegistryPort)
}

// Event is a step of Up or Down, for a person to read.
type Event struct {
	Message string
	Elapsed time.Duration
}
