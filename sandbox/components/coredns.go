package components

import (
	"os"

	"github.com/coredns/coredns/coremain"

	// The plugins that the sandbox's Corefile uses. CoreDNS's own list links every cloud's SDK.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// coreDNS takes CoreDNS's own arguments: -conf FILE.
func coreDNS(args []string) int {
	os.Args = append([]string{"coredns"}, args...)
	coremain.Run()
	return 0
}
