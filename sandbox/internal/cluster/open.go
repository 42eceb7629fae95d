package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/shipit-dev/shipit/sandbox/internal/forward"
)

// service is what forwarding needs to know of a Kubernetes Service.
type service struct {
	Spec struct {
		ClusterIP string `json:"clusterIP"`
		Ports     []struct {
			Name     string `json:"name"`
			Port     int    `json:"port"`
			Protocol string `json:"protocol"`
		} `json:"ports"`
	} `json:"spec"`
}

// OpenService carries a loopback port of the host to a port of a Service, named or numbered; "" is its first TCP port.
// Opening it again gives the same address. It returns host:port.
func (c *Cluster) OpenService(ctx context.Context, namespace, name, port string) (string, error) {
	if !c.settings.Node || c.ns == nil {
		return "", &Unready{
			Problem: "sandbox " + c.layout.Name + " has no running node, so no Service answers",
			Hint:    "start it: shipit-sandbox up " + c.layout.Name,
		}
	}
	var svc service
	err := c.api.get(ctx, "/api/v1/namespaces/"+namespace+"/services/"+name, &svc)
	if isNotFound(err) {
		return "", &Unready{Problem: fmt.Sprintf("there is no Service %s in namespace %s", name, namespace), Hint: "name its namespace with -n"}
	}
	if err != nil {
		return "", fmt.Errorf("reading Service %s: %w", name, err)
	}
	number, err := svc.port(name, port)
	if err != nil {
		return "", err
	}
	held, err := lock(ctx, c.layout)
	if err != nil {
		return "", err
	}
	defer held.Close()
	key := fmt.Sprintf("%s/%s:%d", namespace, name, number)
	target := net.JoinHostPort(svc.Spec.ClusterIP, strconv.Itoa(number))
	return c.addForward(ctx, key, target)
}

// port finds a TCP port by its name or number.
func (s service) port(name, wanted string) (int, error) {
	if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == "None" {
		return 0, fmt.Errorf("service %s is headless: it has no address of its own", name)
	}
	var known []string
	for _, p := range s.Spec.Ports {
		if p.Protocol != "TCP" {
			continue
		}
		if wanted == "" || wanted == p.Name || wanted == strconv.Itoa(p.Port) {
			return p.Port, nil
		}
		known = append(known, fmt.Sprintf("%s (%d)", p.Name, p.Port))
	}
	if len(known) == 0 {
		return 0, fmt.Errorf("service %s has no TCP port", name)
	}
	return 0, fmt.Errorf("service %s has no TCP port %s; it has %s", name, wanted, strings.Join(known, ", "))
}

// addForward finds or adds the forward that key names, and turns it to target: a Service that was made anew has another
// address.
func (c *Cluster) addForward(ctx context.Context, key, target string) (string, error) {
	forwards, err := forward.ReadFile(c.forwardFile())
	if err != nil {
		return "", err
	}
	listen := ""
	for i := range forwards {
		if forwards[i].Service == key {
			forwards[i].Target, listen = target, forwards[i].Listen
		}
	}
	if listen == "" {
		free, err := net.Listen("tcp", loopback+":0")
		if err != nil {
			return "", err
		}
		listen = free.Addr().String()
		free.Close()
		forwards = append(forwards, forward.Forward{Listen: listen, Target: target, Service: key})
	}
	data, err := json.MarshalIndent(forwards, "", "  ")
	if err != nil {
		return "", err
	}
	if err := writeFile(c.forwardFile(), append(data, '\n')); err != nil {
		return "", err
	}
	if err := forward.Reload(ctx, c.layout.Socket("forward")); err != nil {
		return "", errors.Join(fmt.Errorf("opening %s", listen), err)
	}
	return listen, nil
}
