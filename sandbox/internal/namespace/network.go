package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// NodeBridge carries the node's address. It has no port: the kubelet refuses a loopback address, and not every kernel has
// dummy interfaces.
const NodeBridge = "node"

// sysctls are set in the network namespace: a node forwards between pods, and traffic that crosses a bridge must pass
// iptables for kube-proxy to see it.
var sysctls = []struct {
	path, value string
	optional    bool // where the kernel lacks it, the default does
}{
	{path: "net/ipv4/ip_forward", value: "1"},
	{path: "net/ipv6/conf/all/forwarding", value: "1", optional: true},
	{path: "net/bridge/bridge-nf-call-iptables", value: "1"},
	{path: "net/bridge/bridge-nf-call-ip6tables", value: "1", optional: true},
}

// SetupNetwork gives the current network namespace, which must be a new one, a loopback interface and the node's address
// (in CIDR notation). There is no default route, so the virtual network of Services gets one: without any, a packet to a
// Service would be refused before kube-proxy's rules could rewrite it.
func SetupNetwork(nodeAddress, services string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback interface: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("setting the loopback interface up: %w", err)
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: NodeBridge}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("adding a bridge: %w", err)
	}
	address, err := netlink.ParseAddr(nodeAddress)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return fmt.Errorf("giving the node its address: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("setting the bridge up: %w", err)
	}
	virtual, err := netlink.ParseIPNet(services)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: virtual, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("routing the Services' addresses: %w", err)
	}
	for _, s := range sysctls {
		err := os.WriteFile(filepath.Join("/proc/sys", s.path), []byte(s.value), 0o644)
		if err != nil && (!s.optional || !errors.Is(err, os.ErrNotExist)) {
			return fmt.Errorf("setting %s: %w", s.path, err)
		}
	}
	return nil
}
