package schema

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue"
)

// probe decodes one probe of a service, whose ports are decoded already.
func (d *decoder) probe(n, service *node, s *Service) *Probe {
	if !n.is(cue.StructKind) {
		return nil
	}
	p := &Probe{
		Exec:                n.get("exec").strings(),
		InitialDelaySeconds: int32(n.get("initialDelaySeconds").int64()),
		PeriodSeconds:       int32(n.get("periodSeconds").int64()),
		TimeoutSeconds:      int32(n.get("timeoutSeconds").int64()),
		SuccessThreshold:    int32(n.get("successThreshold").int64()),
		FailureThreshold:    int32(n.get("failureThreshold").int64()),
	}
	p.HTTP = d.httpProbe(n.get("http"), service, s)
	tcp := n.get("tcp")
	if tcp.is(cue.StringKind | cue.StructKind) {
		p.TCP = &TCPProbe{Port: tcp.str()}
		at := tcp
		if port := tcp.get("port"); port != nil {
			at, p.TCP.Port = port, port.str()
		}
		if !at.bad && p.TCP.Port != "" {
			p.TCP.Port = d.probePort(at, service, s, p.TCP.Port)
		}
	}
	d.oneOf(n, []string{"http", "tcp", "exec"}, "has more than one kind of check", "a probe makes one check",
		"does not say what to check", `write one of http: "/healthz", tcp: "PORT", exec: ["PROGRAM", "ARGUMENT"]`)
	if n.name != "readiness" && p.SuccessThreshold > 1 {
		at := n.get("successThreshold")
		d.wrong(at, probeThreshold, fmt.Sprintf("%s must be 1, not %d", at.path, p.SuccessThreshold),
			"Kubernetes counts successes for readiness only", "remove it")
	}
	return p
}

// httpProbe decodes a request to one of a service's own ports.
func (d *decoder) httpProbe(http, service *node, s *Service) *HTTPProbe {
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
	}
	p.Port = d.probePort(at, service, s, p.Port)
	return p
}

// probePort gives the port that a probe asks: the named one, else the only one
// or "http". It says nothing when the ports themselves are wrong.
func (d *decoder) probePort(at, service *node, s *Service, name string) string {
	ports := service.get("ports")
	if at.bad || (ports != nil && ports.bad) || (ports == nil && !service.missing("ports")) {
		return name
	}
	if p := s.port(name); p != nil {
		if p.Protocol != "TCP" {
			d.wrong(at, probePort, fmt.Sprintf("%s asks the port %q, which is %s", at.path, p.Name, p.Protocol),
				"Kubernetes can only probe TCP ports", "ask another port, or use exec")
		}
		return p.Name
	}
	names := s.portNames()
	have := service.path + " has " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		d.wrong(at, probePort, fmt.Sprintf("%s needs a port, but %s has none", at.path, service.path), "",
			fmt.Sprintf("write ports: %s: 8080, with the port that it listens on", portName(name)))
	case name == "":
		d.wrong(at, probePort, at.path+" does not say which port", have+`, and none is called "http"`,
			fmt.Sprintf(`write {path: …, port: %q}`, names[0]))
	default:
		hint := "use one of those, or add the port"
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(at, probePort, fmt.Sprintf("%s asks the port %q, which %s does not have", at.path, name, service.path), have, hint)
	}
	return name
}

// port gives a service's port by its name; for "" the only one, or "http". It is
// nil when there is none.
func (s *Service) port(name string) *Port {
	if name == "" {
		if len(s.Ports) == 1 {
			return &s.Ports[0]
		}
		name = "http"
	}
	for i := range s.Ports {
		if s.Ports[i].Name == name {
			return &s.Ports[i]
		}
	}
	return nil
}

func (s *Service) portNames() []string {
	names := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		names[i] = p.Name
	}
	return names
}

func portName(name string) string {
	if name == "" {
		return "http"
	}
	return name
}
