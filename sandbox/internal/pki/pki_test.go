package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEnsure(t *testing.T) {
	t.Parallel()
	dir := Dir(filepath.Join(t.TempDir(), "pki"))
	request := Request{NodeName: "n", APIServerIPs: []net.IP{net.IPv4(10, 0, 0, 1)}, Domain: "cluster.local"}
	if err := Ensure(dir, request); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cert, ca, dns string
		usage         x509.ExtKeyUsage
		group         string
	}{
		{APIServer, CA, "kubernetes.default.svc.cluster.local", x509.ExtKeyUsageServerAuth, ""},
		{Admin, CA, "", x509.ExtKeyUsageClientAuth, "system:masters"},
		{Node, CA, "", x509.ExtKeyUsageClientAuth, "system:nodes"},
		{FrontProxy, FrontProxyCA, "", x509.ExtKeyUsageClientAuth, ""},
		{MetricsServing, CA, "metrics-server.kube-system.svc", x509.ExtKeyUsageServerAuth, ""},
	} {
		pair, err := tls.LoadX509KeyPair(dir.Cert(test.cert), dir.Key(test.cert))
		if err != nil {
			t.Fatal(err)
		}
		authority, err := os.ReadFile(dir.Cert(test.ca))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		options := x509.VerifyOptions{Roots: roots, DNSName: test.dns, KeyUsages: []x509.ExtKeyUsage{test.usage}}
		if _, err := pair.Leaf.Verify(options); err != nil {
			t.Errorf("%s: %v", test.cert, err)
		}
		if test.group != "" && !slices.Contains(pair.Leaf.Subject.Organization, test.group) {
			t.Errorf("%s is not in group %s", test.cert, test.group)
		}
	}

	first, err := os.ReadFile(dir.Cert(CA))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir.Cert(Metrics)); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(dir, request); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(dir.Cert(Metrics), dir.Key(Metrics)); err != nil {
		t.Errorf("a certificate that was not there: %v", err)
	}
	if second, err := os.ReadFile(dir.Cert(CA)); err != nil || !slices.Equal(first, second) {
		t.Errorf("a second time changes the certificates: %v", err)
	}
}
