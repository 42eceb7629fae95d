package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/shipit-dev/shipit/sandbox/internal/forward"
)

// Target names a Service's port. Port is a number or a name; "" is the only one, or the first.
type Target struct{ Namespace, Service, Port string }

// serviceObject holds what is read of a Service.
type serviceObject struct {
	Spec struct {
		ClusterIP string
		Type      string
		Ports     []struct {
			Name     string
			Port     int
			Protocol string
		}
	}
}

// OpenService forwards a loopback port of the host to a Service and returns its URL. The same Service has the same URL until
// the sandbox is taken down.
func (c *Cluster) OpenService(ctx context.Context, target Target) (string, error) {
	if !c.settings.Node {
		return "", &Unready{Problem: "this sandbox has no node, so no Service answers"}
	}
	if c.ns == nil {
		return "", &Unready{Problem: "sandbox " + c.layout.Name + " is not running", Hint: "start it: shipit sandbox up " + c.layout.Name}
	}
	held, err := lock(ctx, c.layout)
	if err != nil {
		return "", err
	}
	defer held.Close()
	var service serviceObject
	path := "/api/v1/namespaces/" + target.Namespace + "/services/" + target.Service
	if err := c.api.get(ctx, path, &service); err != nil {
		if isNotFound(err) {
			return "", fmt.Errorf("there is no Service %s in namespace %s", target.Service, target.Namespace)
		}
		return "", err
	}
	port, err := service.port(target)
	if err != nil {
		return "", err
	}
	return c.forward(ctx, forward.Forward{
		Target:  net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(port)),
		Service: fmt.Sprintf("%s/%s:%d", target.Namespace, target.Service, port),
	})
}

func (s serviceObject) port(target Target) (int, error) {
	if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == "None" {
		return 0, fmt.Errorf("service %s has no cluster IP: it is headless or an alias", target.Service)
	}
	var known []string
	for _, port := range s.Spec.Ports {
		if port.Protocol != "" && port.Protocol != "TCP" {
			continue
		}
		number := strconv.Itoa(port.Port)
		if target.Port == "" || target.Port == port.Name || target.Port == number {
			return port.Port, nil
		}
		known = append(known, number)
	}
	if target.Port == "" {
		return 0, fmt.Errorf("service %s has no TCP port", target.Service)
	}
	return 0, fmt.Errorf("service %s has no TCP port %s; it has %v", target.Service, target.Port, known)
}

// forward adds or turns a forward and returns when the port is open.
func (c *Cluster) forward(ctx context.Context, wanted forward.Forward) (string, error) {
	forwards, err := forward.ReadFile(c.forwardFile())
	if err != nil {
		return "", err
	}
	before := forwards
	for i, f := range forwards {
		if f.Service == wanted.Service {
			wanted.Listen = f.Listen
			forwards = append(append([]forward.Forward{}, forwards[:i]...), forwards[i+1:]...)
			break
		}
	}
	if wanted.Listen == "" {
		port, err := picker(c.layout.Base)()
		if err != nil {
			return "", err
		}
		wanted.Listen = net.JoinHostPort(loopback, strconv.Itoa(port))
	}
	if err := c.saveForwards(append(forwards, wanted)); err != nil {
		return "", err
	}
	if err := forward.Reload(ctx, c.layout.Socket("forward")); err != nil {
		return "", errors.Join(err, c.saveForwards(before))
	}
	return "http://" + wanted.Listen, nil
}

func (c *Cluster) saveForwards(forwards []forward.Forward) error {
	data, err := json.MarshalIndent(forwards, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.forwardFile(), append(data, '\n'))
}
