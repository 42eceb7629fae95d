package cluster

import (
	"fmt"

	"github.com/shipit-dev/shipit/sandbox/internal/pki"
)

// metricsPort is where metrics-server answers the API server, on the node's address.
const metricsPort = 10251

// metrics is metrics-server, by which an autoscaler knows what pods use. It has numbers of a pod when it has seen it twice.
func (c *Cluster) metrics() component {
	kubeconfig := c.layout.Config(pki.Metrics + ".kubeconfig")
	return component{
		name: metricsName,
		args: []string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=" + nodeIP,
			fmt.Sprintf("--secure-port=%d", metricsPort),
			"--tls-cert-file=" + c.pki().Cert(pki.MetricsServing),
			"--tls-private-key-file=" + c.pki().Key(pki.MetricsServing),
			"--kubelet-preferred-address-types=InternalIP",
			"--metric-resolution=10s", // the shortest there is, and longer than the next
			"--kubelet-request-timeout=5s",
			"--profiling=false",
		},
		background: true,                                         // it takes seconds, and few wait for it
		healthy:    c.httpHealth("/apis/metrics.k8s.io/v1beta1"), // by way of the API server, as everybody asks
	}
}
