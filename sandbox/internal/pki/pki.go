// Package pki makes the keys and certificates of a cluster: input is the addresses the API server and the kubelet are reached
// at, output a folder of PEM files. All keys are ECDSA P-256, which are made in a moment.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of certificates below Dir; each is a pair of NAME.crt and NAME.key.
const (
	CA                = "ca"                 // signs everything but the front proxy's
	APIServer         = "apiserver"          // what the API server shows
	APIServerKubelet  = "apiserver-kubelet"  // what the API server shows to the kubelet
	FrontProxyCA      = "front-proxy-ca"     // signs what the API server shows to aggregated API servers
	FrontProxy        = "front-proxy-client" //
	Admin             = "admin"
	ControllerManager = "controller-manager"
	Scheduler         = "scheduler"
	Node              = "node" // the kubelet as a client
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	DNS               = "coredns"
	Provisioner       = "provisioner"
	Metrics           = "metrics-server"         // metrics-server as a client
	MetricsServing    = "metrics-server-serving" // what metrics-server shows to the API server
	Loopback          = "loopback"               // what the controller manager and the scheduler show
	// ServiceAccounts is a bare key pair, NAME.key and NAME.pub, that signs service account tokens.
	ServiceAccounts = "service-accounts"
)

// Request says what the certificates have to name.
type Request struct {
	NodeName     string
	APIServerIPs []net.IP
	KubeletIPs   []net.IP
	Domain       string // the cluster's DNS domain
}

// validity is long, because a sandbox renews nothing; the start is in the past for clocks that step back.
const validity = 10 * 365 * 24 * time.Hour

// Dir is a folder of keys and certificates.
type Dir string

// Cert is the path of a certificate.
func (d Dir) Cert(name string) string { return filepath.Join(string(d), name+".crt") }

// Key is the path of a private key.
func (d Dir) Key(name string) string { return filepath.Join(string(d), name+".key") }

// Pub is the path of a bare public key.
func (d Dir) Pub(name string) string { return filepath.Join(string(d), name+".pub") }

// Ensure makes all keys and certificates unless the folder exists. It appears whole or not at all. A folder of an older
// version gets the certificates that it lacks.
func Ensure(dir Dir, req Request) error {
	if _, err := os.Stat(string(dir)); err == nil {
		return complete(dir, req)
	}
	temp := Dir(string(dir) + ".new")
	if err := os.RemoveAll(string(temp)); err != nil {
		return err
	}
	if err := os.MkdirAll(string(temp), 0o700); err != nil {
		return err
	}
	if err := generate(temp, req); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	return os.Rename(string(temp), string(dir))
}

// complete issues the certificates that a folder does not have.
func complete(dir Dir, req Request) error {
	var ca *authority
	for _, id := range identities(req) {
		if _, err := os.Stat(dir.Cert(id.name)); err == nil {
			continue
		}
		if ca == nil {
			pair, err := tls.LoadX509KeyPair(dir.Cert(CA), dir.Key(CA))
			if err != nil {
				return fmt.Errorf("reading the authority: %w", err)
			}
			ca = &authority{cert: pair.Leaf, key: pair.PrivateKey}
		}
		if err := ca.issue(dir, id); err != nil {
			return fmt.Errorf("making the certificate %s: %w", id.name, err)
		}
	}
	return nil
}

// identity is a certificate to be made: Kubernetes takes the user from the common name and the groups from organisations.
type identity struct {
	name, commonName string
	groups           []string
	ips              []net.IP
	dns              []string
	server           bool
}

func identities(req Request) []identity {
	const masters = "system:masters"
	return []identity{
		{name: APIServer, commonName: "kube-apiserver", server: true, ips: req.APIServerIPs, dns: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + req.Domain}},
		{name: APIServerKubelet, commonName: "kube-apiserver-kubelet-client", groups: []string{masters}},
		{name: Admin, commonName: "shipit-sandbox-admin", groups: []string{masters}},
		{name: ControllerManager, commonName: "system:kube-controller-manager"},
		{name: Scheduler, commonName: "system:kube-scheduler"},
		{name: Node, commonName: "system:node:" + req.NodeName, groups: []string{"system:nodes"}},
		{name: Kubelet, commonName: req.NodeName, server: true, ips: req.KubeletIPs, dns: []string{req.NodeName, "localhost"}},
		{name: Loopback, commonName: "localhost", server: true, ips: []net.IP{net.IPv4(127, 0, 0, 1)}, dns: []string{"localhost"}},
		{name: Proxy, commonName: "system:kube-proxy"},
		{name: DNS, commonName: "system:coredns"},
		{name: Provisioner, commonName: "shipit-sandbox:provisioner"},
		{name: Metrics, commonName: "system:metrics-server"},
		{name: MetricsServing, commonName: "metrics-server", server: true, dns: []string{"metrics-server.kube-system.svc"}},
	}
}

func generate(dir Dir, req Request) error {
	ca, err := newAuthority(dir, CA, "shipit-sandbox")
	if err != nil {
		return err
	}
	for _, id := range identities(req) {
		if err := ca.issue(dir, id); err != nil {
			return err
		}
	}
	front, err := newAuthority(dir, FrontProxyCA, "shipit-sandbox-front-proxy")
	if err != nil {
		return err
	}
	if err := front.issue(dir, identity{name: FrontProxy, commonName: "front-proxy-client"}); err != nil {
		return err
	}
	key, err := newKey(dir, ServiceAccounts)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(dir.Pub(ServiceAccounts), "PUBLIC KEY", public)
}

type authority struct {
	cert *x509.Certificate
	key  crypto.PrivateKey
}

func newAuthority(dir Dir, name, commonName string) (*authority, error) {
	key, err := newKey(dir, name)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(pkix.Name{CommonName: commonName})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, writePEM(dir.Cert(name), "CERTIFICATE", der)
}

func (a *authority) issue(dir Dir, id identity) error {
	key, err := newKey(dir, id.name)
	if err != nil {
		return err
	}
	template, err := newTemplate(pkix.Name{CommonName: id.commonName, Organization: id.groups})
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if id.server {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	template.IPAddresses = id.ips
	template.DNSNames = id.dns
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writePEM(dir.Cert(id.name), "CERTIFICATE", der)
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(validity),
		BasicConstraintsValid: true,
	}, nil
}

func newKey(dir Dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(dir.Key(name), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
