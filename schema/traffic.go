package schema

import (
	"fmt"
	"net/netip"
	"strings"

	"cuelang.org/go/cue"
)

// exposes decodes the ways into a service from outside the cluster.
func (d *decoder) exposes(n, service *node, s *Service) []Expose {
	var list []Expose
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		e := Expose{
			Name: f.name, Host: f.get("host").str(), Path: "/", Port: f.get("port").str(),
			Class: f.get("class").str(), TLS: f.get("tls").get("secret").str(),
		}
		if p := f.get("path").str(); p != "" {
			e.Path = p
		}
		if at := f.get("path"); strings.ContainsAny(e.Path, "?#") {
			d.wrong(at, wrongValue, fmt.Sprintf("%s is %q, which is more than a path", at.path, e.Path), "an Ingress looks at the path alone", "leave out what begins with ? or #")
		}
		if !s.Finite() {
			e.Port = d.exposedPort(f, service, s, e.Port)
		}
		list = append(list, e)
	}
	return list
}

func (d *decoder) exposedPort(n, service *node, s *Service, name string) string {
	at := n
	if f := n.get("port"); f != nil {
		at = f
	}
	if at.bad || !settled(service, "ports") {
		return name
	}
	p := s.port(name)
	if p == nil {
		d.noPort(at, name, s, service, "exposes")
		return name
	}
	if p.Protocol != "TCP" {
		d.wrong(at, exposeProtocol, fmt.Sprintf("%s exposes the port %q, which is %s", at.path, p.Name, p.Protocol),
			"an Ingress carries HTTP, which needs TCP", "expose another port")
	}
	return p.Name
}

// noPort says that a service has no port of a name, or none to take by itself.
func (d *decoder) noPort(at *node, name string, of *Service, n *node, does string) {
	names := of.portNames()
	have := n.path + " has " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		d.against(at, n, unknownPort, fmt.Sprintf("%s %s a port, but %s has none", at.path, does, n.path), "",
			fmt.Sprintf("write services: %s: ports: %s: 8080, with the port that it listens on", of.Name, portName(name)))
	case name == "":
		d.against(at, n.get("ports"), unknownPort, fmt.Sprintf("%s does not say which port", at.path), have+`, and none is called "http"`,
			fmt.Sprintf("write port: %q", names[0]))
	default:
		hint := "use one of those, or add the port"
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.against(at, n.get("ports"), unknownPort, fmt.Sprintf("%s %s the port %q, which %s does not have", at.path, does, name, n.path), have, hint)
	}
}

// calls decodes what a service talks to, when all services are known.
func (d *decoder) calls(m member) []Call {
	var list []Call
	for _, f := range sorted(m.n.get("calls")) {
		if !f.is(cue.StructKind) {
			continue
		}
		c := Call{Name: f.name, Service: f.get("service").str(), Host: f.get("host").str(), CIDR: f.get("cidr").str()}
		if f.get("host") == nil && f.get("cidr") == nil {
			if f.missing("host") && f.missing("cidr") {
				d.callService(f, &c)
			}
		} else {
			d.callOutside(f, &c)
		}
		list = append(list, c)
	}
	return list
}

func (d *decoder) callService(n *node, c *Call) {
	at := n
	if f := n.get("service"); f != nil {
		at = f
		if f.bad {
			return
		}
	} else if !n.missing("service") {
		return
	}
	if c.Service == "" {
		c.Service = n.name
	}
	callee, ok := d.other(at, c.Service, "calls")
	if !ok {
		return
	}
	port := n.get("port")
	if port.is(cue.IntKind) {
		hint := "write the name of one of its ports"
		if list := callee.s.portNames(); len(list) > 0 {
			hint = fmt.Sprintf("write one of %s, or none for the only one or \"http\"", strings.Join(list, ", "))
		}
		d.wrong(port, wrongValue, fmt.Sprintf("%s must be the name of a port of %s, not a number (%s)", port.path, callee.n.path, port.text),
			"a number is for what is outside", hint)
		return
	}
	if port != nil {
		at = port
	}
	if at.bad || !settled(callee.n, "ports") {
		return
	}
	p := callee.s.port(port.str())
	if p == nil {
		d.noPort(at, port.str(), callee.s, callee.n, "calls")
		return
	}
	c.Port, c.Target, c.Scheme = p.Service, p.Name, "tcp"
	switch {
	case strings.HasPrefix(p.Name, "https"):
		c.Scheme = "https"
	case strings.HasPrefix(p.Name, "http"):
		c.Scheme = "http"
	}
}

func (d *decoder) callOutside(n *node, c *Call) {
	d.oneOf(n, []string{"service", "host", "cidr"}, "is more than one thing to call", "a call is to one place", "", "")
	port := n.get("port")
	switch {
	case port == nil && n.missing("port"):
		d.wrong(n, missingField, n.path+" does not say which port it calls", "outside, nothing tells it", "write port: 443")
	case port.is(cue.StringKind):
		d.wrong(port, wrongValue, fmt.Sprintf("%s must be a number, not a string (%q)", port.path, port.text), "names are for the ports of services", "write port: 443")
	}
	c.Port = int32(port.int64())
	c.Scheme = "tcp"
	switch {
	case c.Host != "" && c.Port == 443:
		c.Scheme = "https"
	case c.Host != "" && c.Port == 80:
		c.Scheme = "http"
	}
	cidr := n.get("cidr")
	if c.CIDR == "" {
		return
	}
	prefix, err := netip.ParsePrefix(c.CIDR)
	switch {
	case err != nil:
		d.wrong(cidr, wrongValue, fmt.Sprintf("%s is no range of addresses: %q", cidr.path, c.CIDR), "", `write one such as "10.0.0.0/8" or "2001:db8::/32"`)
	case prefix.Masked() != prefix:
		d.wrong(cidr, wrongValue, fmt.Sprintf("%s has bits after its first %d: %q", cidr.path, prefix.Bits(), c.CIDR), "they mean nothing", fmt.Sprintf("write %q", prefix.Masked()))
	}
}

// other gives another service by name, and says so at n when there is none.
func (d *decoder) other(n *node, name, does string) (member, bool) {
	if m, ok := d.byName[name]; ok {
		return m, true
	}
	if off := d.disabled[name]; off != nil {
		at := off
		if f := off.get("enabled"); f != nil {
			at = f
		}
		d.against(n, at, serviceDisabled, fmt.Sprintf("%s %s %s, which is disabled", n.path, does, off.path), "",
			fmt.Sprintf("enable it, or say this only where it is enabled: if services.%s.enabled {…}", name))
		return member{}, false
	}
	if d.services.get(name) != nil {
		return member{}, false // what is wrong with it is told there
	}
	list := make([]string, 0, len(d.enabled))
	for _, m := range d.enabled {
		list = append(list, m.n.name)
	}
	why, hint := "", "add the service"
	if does == "calls" {
		hint += `, or write what it is outside: {host: "…", port: 443}`
	}
	if len(list) <= 10 {
		why = "the services are " + strings.Join(list, ", ")
	}
	if near := nearestName(name, list); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.wrong(n, unknownService, fmt.Sprintf("%s %s the service %q, which is not there", n.path, does, name), why, hint)
	return member{}, false
}
