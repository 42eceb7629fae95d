package schema

import (
	"fmt"
	"slices"
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
	http, tcp := n.get("http"), n.get("tcp")
	if http.is(cue.StringKind | cue.StructKind) {
		p.HTTP = &HTTPProbe{Path: http.str(), Scheme: "HTTP"}
		at := http
		if http.kind == cue.StructKind {
			p.HTTP.Path = http.get("path").str()
			if scheme := http.get("scheme").str(); scheme != "" {
				p.HTTP.Scheme = scheme
			}
			if port := http.get("port"); port != nil {
				at, p.HTTP.Port = port, port.str()
			}
		}
		p.HTTP.Port = d.probePort(at, service, s, p.HTTP.Port)
	}
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
	d.probeKind(n)
	if n.name != "readiness" && p.SuccessThreshold > 1 {
		at := n.get("successThreshold")
		d.wrong(at, Contradicts, fmt.Sprintf("%s must be 1, not %d", at.path, p.SuccessThreshold),
			"Kubernetes counts successes for readiness only", "remove it")
	}
	return p
}

// probeKind checks that a probe is of exactly one kind.
func (d *decoder) probeKind(n *node) {
	var given []*node
	missing := true
	for _, kind := range []string{"http", "tcp", "exec"} {
		if f := n.get(kind); f != nil {
			given = append(given, f)
		}
		missing = missing && n.missing(kind)
	}
	if len(given) > 1 {
		names := make([]string, len(given))
		related := make([]Pos, len(given))
		for i, f := range given {
			names[i], related[i] = f.name, f.pos
		}
		d.errs = append(d.errs, &Error{
			Code:    Contradicts,
			Pos:     given[0].pos,
			Path:    n.path,
			Message: fmt.Sprintf("%s has more than one kind of check: %s", n.path, strings.Join(names, ", ")),
			Why:     "a probe makes one check",
			Hint:    "keep one of them",
			Related: related[1:],
		})
	}
	if missing {
		d.wrong(n, MissingField, n.path+" does not say what to check", "",
			`write one of http: "/healthz", tcp: "PORT", exec: ["PROGRAM", "ARGUMENT"]`)
	}
}

// probePort gives the port that a probe asks: the named one, else the only one
// or "http". It says nothing when the ports themselves are wrong.
func (d *decoder) probePort(at, service *node, s *Service, name string) string {
	ports := service.get("ports")
	if at.bad || (ports != nil && ports.bad) || (ports == nil && !service.missing("ports")) {
		return name
	}
	i := slices.IndexFunc(s.Ports, func(p Port) bool { return p.Name == name })
	if name == "" {
		if len(s.Ports) == 1 {
			i = 0
		} else {
			i = slices.IndexFunc(s.Ports, func(p Port) bool { return p.Name == "http" })
		}
	}
	if i >= 0 {
		if p := s.Ports[i]; p.Protocol != "TCP" {
			d.wrong(at, Contradicts, fmt.Sprintf("%s asks the port %q, which is %s", at.path, p.Name, p.Protocol),
				"Kubernetes can only probe TCP ports", "ask another port, or use exec")
		}
		return s.Ports[i].Name
	}
	names := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		names[i] = p.Name
	}
	have := service.path + " has " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		d.wrong(at, Contradicts, fmt.Sprintf("%s needs a port, but %s has none", at.path, service.path), "",
			fmt.Sprintf("write ports: %s: 8080, with the port that it listens on", portName(name)))
	case name == "":
		d.wrong(at, Contradicts, at.path+" does not say which port", have+`, and none is called "http"`,
			fmt.Sprintf(`write {path: …, port: %q}`, names[0]))
	default:
		hint := "use one of those, or add the port"
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(at, Contradicts, fmt.Sprintf("%s asks the port %q, which %s does not have", at.path, name, service.path), have, hint)
	}
	return name
}

func portName(name string) string {
	if name == "" {
		return "http"
	}
	return name
}
