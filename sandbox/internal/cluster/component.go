package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/forward"
)

// component is one process of the sandbox.
type component struct {
	name string
	// program is what is started; "" is this program itself, as the component called name.
	program string
	args    []string
	// onHost keeps it out of the sandbox's namespaces.
	onHost bool
	// background: the sandbox is ready without it.
	background bool
	// network is handed over as file descriptor 3.
	network *os.File
	// healthy returns nil when the component does its work.
	healthy func(ctx context.Context) error
}

// patience is how long a component may take until it is healthy: a machine that compiles something at the same time is slow.
const patience = 60 * time.Second

// Names of components.
const (
	holderName            = "namespace"
	etcdName              = "etcd"
	apiServerName         = "kube-apiserver"
	controllerManagerName = "kube-controller-manager"
	schedulerName         = "kube-scheduler"
	registryName          = "registry"
	forwarderName         = "forwarder"
	containerdName        = "containerd"
	kubeletName           = "kubelet"
	proxyName             = "kube-proxy"
	dnsName               = "coredns"
	provisionerName       = "provisioner"
	metricsName           = "metrics-server"
	supervisorName        = "supervisor"
)

// components returns what the sandbox consists of, in the order in which they depend on each other.
func (c *Cluster) components() []component {
	all := []component{c.etcd(), c.registry(), c.apiServer(), c.controllerManager(), c.scheduler()}
	if !c.settings.Node {
		return append(all, c.supervisor())
	}
	all = append([]component{c.holder()}, all...)
	return append(all, c.forwarder(), c.containerd(), c.kubelet(), c.proxy(), c.dns(), c.provisioner(), c.metrics(), c.supervisor())
}

// httpHealth asks a URL, inside the sandbox's network, for a 2xx answer.
func (c *Cluster) httpHealth(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		if c.api == nil {
			return fmt.Errorf("no certificates yet")
		}
		return c.api.get(ctx, url, nil)
	}
}

// socketHealth asks for an HTTP answer on a Unix socket.
func socketHealth(socket, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://socket"+path, nil)
		if err != nil {
			return err
		}
		resp, err := forward.Client(socket).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s", resp.Status)
		}
		return nil
	}
}

// connects asks for no more than that something accepts connections on a Unix socket.
func connects(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
