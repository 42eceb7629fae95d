package cluster

import (
	"fmt"
	"path/filepath"

	"github.com/shipit-dev/shipit/sandbox/internal/pki"
)

// etcd listens on Unix sockets only: its data is the whole cluster, and on the host a port would be open to every user.
func (c *Cluster) etcd() component {
	// Advertised addresses must have a port. A single member has nobody who would dial them.
	const nobody = "http://127.0.0.1:2380"
	return component{
		name: etcdName,
		args: []string{
			"--name=sandbox",
			"--data-dir=" + c.layout.Data("etcd"),
			"--listen-client-urls=unix://" + c.layout.Socket("etcd"),
			"--advertise-client-urls=" + nobody,
			"--listen-peer-urls=unix://" + c.layout.Socket("etcd-peer"),
			"--initial-advertise-peer-urls=" + nobody,
			"--initial-cluster=sandbox=" + nobody,
			"--unsafe-no-fsync", // a crash of the machine may lose a sandbox; a crash of etcd does not
			"--log-level=warn",
		},
		healthy: socketHealth(c.layout.Socket("etcd"), "/health"),
	}
}

// The registry takes pushes from whom the user lets read the sandbox's folder: any user of the machine can reach its port.
const (
	registryUser     = "shipit"
	registryPassword = "registry-password" // the file's name
)

func (c *Cluster) registry() component {
	return component{
		name:    registryName,
		args:    []string{c.layout.Config("registry.yaml"), c.layout.Config(registryPassword)},
		healthy: c.httpHealth("http://" + c.Registry() + "/"),
	}
}

func (c *Cluster) apiServer() component {
	p := c.pki()
	args := []string{
		"--etcd-servers=unix://" + c.layout.Socket("etcd"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + serviceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc." + domain,
		"--service-account-signing-key-file=" + p.Key(pki.ServiceAccounts),
		"--service-account-key-file=" + p.Pub(pki.ServiceAccounts),
		"--client-ca-file=" + p.Cert(pki.CA),
		"--tls-cert-file=" + p.Cert(pki.APIServer),
		"--tls-private-key-file=" + p.Key(pki.APIServer),
		"--kubelet-certificate-authority=" + p.Cert(pki.CA),
		"--kubelet-client-certificate=" + p.Cert(pki.APIServerKubelet),
		"--kubelet-client-key=" + p.Key(pki.APIServerKubelet),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + p.Cert(pki.FrontProxyCA),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + p.Cert(pki.FrontProxy),
		"--proxy-client-key-file=" + p.Key(pki.FrontProxy),
		"--cert-dir=" + c.layout.Data(apiServerName),
		"--profiling=false",
	}
	if c.settings.Node {
		args = append(args, "--bind-address=0.0.0.0", "--secure-port=6443", "--advertise-address="+nodeIP)
	} else {
		// Nobody inside looks for the API server, and a loopback address is no valid endpoint.
		args = append(args, "--bind-address="+loopback, fmt.Sprintf("--secure-port=%d", c.settings.APIPort),
			"--advertise-address="+loopback, "--endpoint-reconciler-type=none")
	}
	return component{name: apiServerName, args: args, healthy: c.httpHealth("/readyz")}
}

// loopbackServer are the arguments common to components that serve nothing but their health, to the loopback interface.
func (c *Cluster) loopbackServer(client string, port int) []string {
	kubeconfig := c.layout.Config(client + ".kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + loopback,
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.pki().Cert(pki.Loopback),
		"--tls-private-key-file=" + c.pki().Key(pki.Loopback),
		"--leader-elect=false", // there is one; without an election it survives a restart of etcd
		"--profiling=false",
	}
}

func (c *Cluster) controllerManager() component {
	p := c.pki()
	args := append(c.loopbackServer(pki.ControllerManager, c.settings.ControllerManagerPort),
		"--use-service-account-credentials",
		"--service-account-private-key-file="+p.Key(pki.ServiceAccounts),
		"--root-ca-file="+p.Cert(pki.CA),
		"--cluster-signing-cert-file="+p.Cert(pki.CA),
		"--cluster-signing-key-file="+p.Key(pki.CA),
		// The default folders of both are outside the sandbox.
		"--flex-volume-plugin-dir="+filepath.Join(c.layout.Data(controllerManagerName), "volume-plugins"),
		"--cert-dir="+c.layout.Data(controllerManagerName),
		"--kube-api-qps=200", "--kube-api-burst=400",
		// Somebody waits for an autoscaler to be seen working.
		"--horizontal-pod-autoscaler-sync-period=3s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=5s",
		"--horizontal-pod-autoscaler-cpu-initialization-period=15s",
	)
	return component{
		name: controllerManagerName, args: args,
		healthy: c.httpHealth(fmt.Sprintf("https://%s:%d/healthz", loopback, c.settings.ControllerManagerPort)),
	}
}

func (c *Cluster) scheduler() component {
	return component{
		name:    schedulerName,
		args:    append(c.loopbackServer(pki.Scheduler, c.settings.SchedulerPort), "--cert-dir="+c.layout.Data(schedulerName)),
		healthy: c.httpHealth(fmt.Sprintf("https://%s:%d/healthz", loopback, c.settings.SchedulerPort)),
	}
}
