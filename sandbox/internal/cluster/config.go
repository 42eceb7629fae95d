package cluster

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"text/template"

	"github.com/shipit-dev/shipit/sandbox/internal/forward"
	"github.com/shipit-dev/shipit/sandbox/internal/pki"
)

//go:embed templates manifests
var files embed.FS

// values are what the templates name.
type values struct {
	NodeIP, PodCIDR, Domain, DNSServiceIP string
	ConfigDir, ContainerdSocket           string
	CgroupRoot, CNIPlugins, Snapshotter   string
	PauseImage, RegistryAddress           string
	RegistryData                          string
	MetricsPort                           int
	AuthorityBundle                       string // base64 of PEM
	PKI                                   pki.Dir
}

func (c *Cluster) values() values {
	v := values{
		NodeIP: nodeIP, PodCIDR: podCIDR, Domain: domain, DNSServiceIP: dnsServiceIP,
		ConfigDir:        c.layout.Config(""),
		ContainerdSocket: c.layout.Socket("containerd"),
		CgroupRoot:       c.group.Root(),
		CNIPlugins:       c.tools.cniPlugins,
		Snapshotter:      "overlayfs",
		PauseImage:       c.Registry() + "/" + pauseRepository + ":" + pauseTag,
		RegistryAddress:  c.Registry(),
		RegistryData:     c.layout.Data("registry"),
		MetricsPort:      metricsPort,
		PKI:              c.pki(),
	}
	if authority, err := os.ReadFile(c.pki().Cert(pki.CA)); err == nil {
		v.AuthorityBundle = base64.StdEncoding.EncodeToString(authority)
	}
	if isOverlay(c.layout.Home) {
		v.Snapshotter = "native"
	}
	return v
}

func (c *Cluster) pki() pki.Dir { return pki.Dir(c.layout.PKI()) }

func (c *Cluster) ensurePKI() error {
	local, node := net.IPv4(127, 0, 0, 1), net.ParseIP(nodeIP)
	return pki.Ensure(c.pki(), pki.Request{
		NodeName:     nodeName,
		APIServerIPs: []net.IP{local, node, net.ParseIP(apiServiceIP)},
		KubeletIPs:   []net.IP{local, node},
		Domain:       domain,
	})
}

// configFiles maps a file below the configuration folder to its template.
func (c *Cluster) configFiles() map[string]string {
	if !c.settings.Node {
		return map[string]string{"registry.yaml": "registry.yaml"}
	}
	return map[string]string{
		"registry.yaml":        "registry.yaml",
		"containerd.toml":      "containerd.toml",
		"kubelet.yaml":         "kubelet.yaml",
		"Corefile":             "Corefile",
		"cni/10-pods.conflist": "cni.conflist",
		"certs.d/" + c.Registry() + "/hosts.toml": "hosts.toml",
	}
}

// writeConfig writes every file that the components read.
func (c *Cluster) writeConfig() error {
	v := c.values()
	for name, source := range c.configFiles() {
		data, err := render(path.Join("templates", source), v)
		if err != nil {
			return err
		}
		if err := writeFile(c.layout.Config(name), data); err != nil {
			return err
		}
	}
	if err := writeFile(c.layout.Config("resolv.conf"), nil); err != nil {
		return err
	}
	if err := writeFile(c.layout.Config(registryPassword), []byte(c.settings.RegistryPassword+"\n")); err != nil {
		return err
	}
	for _, client := range []string{
		pki.ControllerManager, pki.Scheduler, pki.Node, pki.Proxy, pki.DNS, pki.Provisioner, pki.Metrics,
	} {
		data, err := c.kubeconfig(client, c.apiURL())
		if err != nil {
			return err
		}
		if err := writeFile(c.layout.Config(client+".kubeconfig"), data); err != nil {
			return err
		}
	}
	return c.writeForwards()
}

// writeForwards puts the sandbox's own ports first and keeps what the user has opened, except a port that another program took
// while the forwarder was down: that one must not keep the sandbox from starting.
func (c *Cluster) writeForwards() error {
	if !c.settings.Node {
		return nil
	}
	old, err := forward.ReadFile(c.forwardFile())
	if err != nil {
		return err
	}
	forwards := []forward.Forward{
		{Listen: fmt.Sprintf("%s:%d", loopback, c.settings.APIPort), Target: nodeIP + ":6443"},
		{Listen: c.Registry(), Target: c.Registry()},
	}
	_, err = c.running(forwarderName)
	down := err != nil
	for _, f := range old {
		if f.Service == "" || down && addressFree(f.Listen) != nil {
			continue
		}
		forwards = append(forwards, f)
	}
	return c.saveForwards(forwards)
}

func (c *Cluster) forwardFile() string { return filepath.Join(c.layout.Home, "forwards.json") }

func render(name string, v any) ([]byte, error) {
	t, err := template.ParseFS(files, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// apiURL is the API server's address where the components run.
func (c *Cluster) apiURL() string {
	if c.settings.Node {
		return "https://" + nodeIP + ":6443"
	}
	return c.hostURL()
}

// hostURL is the API server's address on the host.
func (c *Cluster) hostURL() string {
	return fmt.Sprintf("https://%s:%d", loopback, c.settings.APIPort)
}

// Kubeconfig returns a kubeconfig for the cluster's administrator, for use on the host.
func (c *Cluster) Kubeconfig() ([]byte, error) {
	return c.kubeconfig(pki.Admin, c.hostURL())
}

// Login returns a Docker config.json with the credentials that the registry takes pushes with.
func (c *Cluster) Login() ([]byte, error) {
	auth := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + c.settings.RegistryPassword))
	return json.MarshalIndent(map[string]any{"auths": map[string]any{c.Registry(): map[string]string{"auth": auth}}}, "", "  ")
}

func (c *Cluster) kubeconfig(client, server string) ([]byte, error) {
	name := client
	if client == pki.Admin {
		name = "shipit-sandbox-" + c.layout.Name
	}
	fields := map[string]string{"Name": name, "Server": server}
	for field, file := range map[string]string{
		"CA": c.pki().Cert(pki.CA), "Cert": c.pki().Cert(client), "Key": c.pki().Key(client),
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		fields[field] = base64.StdEncoding.EncodeToString(data)
	}
	return render("templates/kubeconfig", fields)
}
