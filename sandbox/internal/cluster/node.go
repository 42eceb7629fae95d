package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/image"
	"github.com/shipit-dev/shipit/sandbox/internal/namespace"
	"github.com/shipit-dev/shipit/sandbox/internal/pki"
)

// The pause image is the sandbox's own: no other registry can be reached.
const (
	pauseRepository = "sandbox/pause"
	pauseTag        = "1"
)

// holder keeps the namespaces alive while every other component is down. It is the pause program.
func (c *Cluster) holder() component {
	return component{
		name:    holderName,
		program: c.layout.Data("pause"),
		healthy: func(context.Context) error { return nil },
	}
}

func (c *Cluster) forwarder() component {
	f := component{
		name: forwarderName, onHost: true,
		args:    []string{c.forwardFile(), c.layout.Socket("forward")},
		healthy: socketHealth(c.layout.Socket("forward"), "/"),
	}
	if c.ns != nil {
		f.network = c.ns.Network()
	}
	return f
}

func (c *Cluster) containerd() component {
	return component{
		name: containerdName, program: c.tools.containerd,
		args:    []string{"--config", c.layout.Config("containerd.toml"), "--log-level", "warn"},
		healthy: connects(c.layout.Socket("containerd")),
	}
}

func (c *Cluster) kubelet() component {
	return component{
		name: kubeletName,
		args: []string{
			"--config=" + c.layout.Config("kubelet.yaml"),
			"--kubeconfig=" + c.layout.Config(pki.Node+".kubeconfig"),
			"--hostname-override=" + nodeName,
			"--node-ip=" + nodeIP,
			"--root-dir=/var/lib/kubelet",
			"--cert-dir=/var/lib/kubelet/pki",
		},
		healthy: c.httpHealth("http://" + loopback + ":10248/healthz"),
	}
}

func (c *Cluster) proxy() component {
	return component{
		name: proxyName,
		args: []string{
			"--kubeconfig=" + c.layout.Config(pki.Proxy+".kubeconfig"),
			"--hostname-override=" + nodeName,
			"--cluster-cidr=" + podCIDR,
			"--proxy-mode=iptables",
			// One node has few rules: a Service may follow its pods at once, not after a second.
			"--iptables-min-sync-period=20ms",
			"--healthz-bind-address=" + loopback + ":10256",
			"--metrics-bind-address=" + loopback + ":10249",
			// Connection tracking is the whole machine's to size.
			"--conntrack-max-per-core=0",
			"--conntrack-tcp-timeout-established=0",
			"--conntrack-tcp-timeout-close-wait=0",
		},
		healthy: c.httpHealth("http://" + loopback + ":10256/livez"),
	}
}

func (c *Cluster) dns() component {
	return component{
		name:    dnsName,
		args:    []string{"-conf", c.layout.Config("Corefile")},
		healthy: c.httpHealth("http://" + loopback + ":8181/ready"),
	}
}

// provisioner keeps the volumes' data beside everything else of the sandbox.
func (c *Cluster) provisioner() component {
	const address = loopback + ":8182"
	return component{
		name: provisionerName,
		args: []string{
			c.layout.Config(pki.Provisioner + ".kubeconfig"), nodeName, filepath.Join(c.layout.Home, "volumes"), address,
		},
		healthy: c.httpHealth("http://" + address + "/"),
	}
}

// createNode makes the namespaces with the holder in them.
func (c *Cluster) createNode() error {
	program, err := image.Pause(runtime.GOARCH)
	if err != nil {
		return err
	}
	holder := c.holder()
	if err := writeFile(holder.program, program); err != nil {
		return err
	}
	if err := os.Chmod(holder.program, 0o755); err != nil {
		return err
	}
	dir := filepath.Join(c.layout.Home, "node")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mounts := namespace.Mounts{Dir: dir, Keep: []string{c.layout.Home, c.layout.Run}}
	err = namespace.Create(func() error {
		if err := mounts.Apply(); err != nil {
			return err
		}
		if err := namespace.SetupNetwork(nodeAddress, serviceCIDR); err != nil {
			return err
		}
		return c.spawn(holder)
	})
	if err != nil {
		return err
	}
	return c.join()
}

func (c *Cluster) pushPause(ctx context.Context) error {
	program, err := image.Pause(runtime.GOARCH)
	if err != nil {
		return err
	}
	registry := image.Registry{Client: c.api.http, Host: c.Registry(), User: registryUser, Password: c.settings.RegistryPassword}
	_, err = registry.Push(ctx, pauseRepository, pauseTag, image.Image{Arch: runtime.GOARCH, Program: program, User: "65535:65535"})
	if err != nil {
		return fmt.Errorf("pushing the pause image: %w", err)
	}
	return nil
}

// nodeObject holds what is read of a Node.
type nodeObject struct {
	Status struct {
		Conditions []struct{ Type, Status, Reason, Message string }
	}
}

// nodeReady returns nil when the API server knows the node as ready, and the kubelet, asked by way of the API server, reaches
// containerd: after either was started anew, the node's condition is still the old one.
func (c *Cluster) nodeReady(ctx context.Context) error {
	var node nodeObject
	if err := c.api.get(ctx, "/api/v1/nodes/"+nodeName, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" {
			if condition.Status == "True" {
				return c.api.get(ctx, "/api/v1/nodes/"+nodeName+"/proxy/runningpods/", nil)
			}
			return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
		}
	}
	return fmt.Errorf("the kubelet has not reported yet")
}

// podList holds what is read of Pods.
type podList struct {
	Items []struct {
		Metadata struct{ UID, Name string }
	}
}

// podsKnown returns nil when the kubelet, which may have been started a moment ago, knows the pods that run on the node: logs
// and exec of the others would say that there is no such pod.
func (c *Cluster) podsKnown(ctx context.Context) error {
	var wanted, known podList
	const running = "/api/v1/pods?fieldSelector=status.phase=Running"
	if err := c.api.get(ctx, running, &wanted); err != nil {
		return err
	}
	if err := c.api.get(ctx, "/api/v1/nodes/"+nodeName+"/proxy/pods", &known); err != nil {
		return err
	}
	have := map[string]bool{}
	for _, pod := range known.Items {
		have[pod.Metadata.UID] = true
	}
	for _, pod := range wanted.Items {
		if !have[pod.Metadata.UID] {
			return fmt.Errorf("the kubelet does not know pod %s yet", pod.Metadata.Name)
		}
	}
	return nil
}

// dnsAnswers asks the cluster's DNS for the API server, by way of the DNS Service, so that it proves kube-proxy's rules too.
func (c *Cluster) dnsAnswers(ctx context.Context) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.ns.DialContext(ctx, "udp", net.JoinHostPort(dnsServiceIP, "53"))
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := resolver.LookupHost(ctx, "kubernetes.default.svc."+domain+".")
	return err
}
