package schema

import (
	"cmp"
	"fmt"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// probes decodes those of a container, whose ports are decoded already.
func (d *decoder) probes(container *node, ports []Port) Probes {
	n := container.get("probes")
	return Probes{
		Startup:   d.probe(n.get("startup"), container, ports),
		Readiness: d.probe(n.get("readiness"), container, ports),
		Liveness:  d.probe(n.get("liveness"), container, ports),
	}
}

func (d *decoder) probe(n, container *node, ports []Port) *Probe {
	if !n.is(cue.StructKind) {
		return nil
	}
	p := &Probe{
		Exec:                d.exec(n),
		InitialDelaySeconds: int32(n.get("initialDelaySeconds").int64()),
		PeriodSeconds:       int32(n.get("periodSeconds").int64()),
		TimeoutSeconds:      int32(n.get("timeoutSeconds").int64()),
		SuccessThreshold:    int32(n.get("successThreshold").int64()),
		FailureThreshold:    int32(n.get("failureThreshold").int64()),
	}
	p.HTTP = d.httpProbe(n.get("http"), container, ports)
	tcp := n.get("tcp")
	if tcp.is(cue.StringKind | cue.StructKind) {
		p.TCP = &TCPProbe{Port: tcp.str()}
		at := tcp
		if port := tcp.get("port"); port != nil {
			at, p.TCP.Port = port, port.str()
		}
		if !at.bad && p.TCP.Port != "" {
			p.TCP.Port = d.probePort(at, container, ports, p.TCP.Port, "http")
		}
	}
	p.GRPC = d.grpcProbe(n.get("grpc"), container, ports)
	d.oneOf(n, []string{"http", "tcp", "grpc", "exec"}, "has more than one kind of check", "a probe makes one check",
		"does not say what to check", `write one of http: "/healthz", tcp: "PORT", grpc: "PORT", exec: ["PROGRAM", "ARGUMENT"]`)
	if n.name != "readiness" && p.SuccessThreshold > 1 {
		at := n.get("successThreshold")
		d.wrong(at, rule.ProbeThreshold, fmt.Sprintf("%s must be 1, not %d", at.path, p.SuccessThreshold),
			"Kubernetes counts successes for readiness only", "remove it")
	}
	return p
}

// grpcProbe decodes a question to the gRPC health service.
func (d *decoder) grpcProbe(n, container *node, ports []Port) *GRPCProbe {
	if !n.is(cue.StringKind | cue.StructKind) {
		return nil
	}
	p := &GRPCProbe{Port: n.str()}
	at := n
	if n.kind == cue.StructKind {
		p.Service = n.get("service").str()
		if port := n.get("port"); port != nil {
			at, p.Port = port, port.str()
		}
	}
	p.Port = d.probePort(at, container, ports, p.Port, "grpc")
	return p
}

// httpProbe decodes a request to one of a container's own ports.
func (d *decoder) httpProbe(http, container *node, ports []Port) *HTTPProbe {
	if !http.is(cue.StringKind | cue.StructKind) {
		return nil
	}
	p := &HTTPProbe{Path: http.str(), Scheme: "HTTP"}
	at := http
	if http.kind == cue.StructKind {
		p.Path = http.get("path").str()
		if scheme := http.get("scheme").str(); scheme != "" {
			p.Scheme = scheme
		}
		if port := http.get("port"); port != nil {
			at, p.Port = port, port.str()
		}
		for _, f := range sorted(http.get("headers")) {
			set(&p.Headers, f.name, f.str())
		}
	}
	p.Port = d.probePort(at, container, ports, p.Port, "http")
	return p
}

// probePort gives the port that a probe asks: the named one, else the only one
// or the usual one. It says nothing when the ports themselves are wrong.
func (d *decoder) probePort(at, container *node, ports []Port, name, usual string) string {
	if at.bad || !settled(container, "ports") {
		return name
	}
	if p := findPort(ports, name, usual); p != nil {
		if p.Protocol != "TCP" {
			d.wrong(at, rule.ProbePort, fmt.Sprintf("%s asks the port %q, which is %s", at.path, p.Name, p.Protocol),
				"Kubernetes can only probe TCP ports", "ask another port, or use exec")
		}
		return p.Name
	}
	names := portNames(ports)
	have := container.path + " has " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		d.wrong(at, rule.ProbePort, fmt.Sprintf("%s needs a port, but %s has none", at.path, container.path), "",
			fmt.Sprintf("write ports: %s: 8080, with the port that it listens on", cmp.Or(name, usual)))
	case name == "":
		d.wrong(at, rule.ProbePort, at.path+" does not say which port", fmt.Sprintf("%s, and none is called %q", have, usual),
			fmt.Sprintf(`write {path: …, port: %q}`, names[0]))
	default:
		hint := "use one of those, or add the port"
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(at, rule.ProbePort, fmt.Sprintf("%s asks the port %q, which %s does not have", at.path, name, container.path), have, hint)
	}
	return name
}

// port gives a port of the Service by its name; for "" the only one of the
// service's own, or "http". It is nil when there is none.
func (s *Service) port(name string) *Port {
	if p := findPort(s.Ports, name, "http"); p != nil {
		return p
	}
	return findPort(s.ServicePorts(), name, "http")
}

// findPort gives a port by its name; for "" the only one, or the usual one.
func findPort(ports []Port, name, usual string) *Port {
	if name == "" {
		if len(ports) == 1 {
			return &ports[0]
		}
		name = usual
	}
	for i := range ports {
		if ports[i].Name == name {
			return &ports[i]
		}
	}
	return nil
}

func (s *Service) portNames() []string { return portNames(s.ServicePorts()) }

func portNames(ports []Port) []string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.Name
	}
	return names
}

func portName(name string) string { return cmp.Or(name, "http") }
