package schema

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// noPort says that a service has no port of a name, or none to take by itself.
func (d *decoder) noPort(at *node, name string, of *Service, n *node, does string) {
	names := of.portNames()
	have := n.path + " has " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		d.against(at, n, rule.UnknownPort, fmt.Sprintf("%s %s a port, but %s has none", at.path, does, n.path), "",
			fmt.Sprintf("write services: %s: ports: %s: 8080, with the port that it listens on", of.Name, portName(name)))
	case name == "":
		d.against(at, n.get("ports"), rule.UnknownPort, fmt.Sprintf("%s does not say which port", at.path), have+`, and none is called "http"`,
			fmt.Sprintf("write port: %q", names[0]))
	default:
		hint := "use one of those, or add the port"
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.against(at, n.get("ports"), rule.UnknownPort, fmt.Sprintf("%s %s the port %q, which %s does not have", at.path, does, name, n.path), have, hint)
	}
}

// calls decodes what a service talks to, when all services are known.
func (d *decoder) calls(a *App, m member) []Call {
	var list []Call
	for _, f := range sorted(m.n.get("calls")) {
		if !f.is(cue.StructKind) {
			continue
		}
		c := Call{Name: f.name, Service: f.get("service").str(), App: f.get("app").str(), Host: f.get("host").str(), CIDR: f.get("cidr").str()}
		switch {
		case f.get("host") != nil || f.get("cidr") != nil:
			d.callOutside(f, &c)
		case f.get("app") != nil:
			d.callApp(a, f, &c)
		case f.missing("host") && f.missing("cidr") && f.missing("app"):
			d.callService(f, &c)
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
		d.wrong(port, rule.WrongValue, fmt.Sprintf("%s must be the name of a port of %s, not a number (%s)", port.path, callee.n.path, port.text),
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
	if at := n.get("namespace"); at != nil {
		d.wrong(at, rule.NotOfCall, fmt.Sprintf("%s is of another App, but %s is a service of this one", at.path, c.Service), "this App has one namespace", "remove it, or write app: too")
	}
}

// callApp is a call to a service that this project does not have. That it is
// there only the cluster knows.
func (d *decoder) callApp(a *App, n *node, c *Call) {
	c.Service = cmp.Or(c.Service, n.name)
	c.Namespace = cmp.Or(n.get("namespace").str(), c.App)
	if c.App == a.Name {
		c.Namespace = cmp.Or(n.get("namespace").str(), a.Namespace)
		if own := d.services.get(c.Service); own != nil && c.Namespace == a.Namespace {
			d.against(n.get("app"), own, rule.NotOfCall, fmt.Sprintf("%s is this App, and %s is here", n.get("app").path, own.path), "then its ports are known", "remove app")
		}
	}
	c.Port, c.Scheme = d.outsidePort(n, fmt.Sprintf("of the App %s only the cluster knows its ports", c.App), "write the number that its Service listens on: port: 8080"), "http"
	switch c.Port {
	case 80, 8080:
	case 443, 8443:
		c.Scheme = "https"
	default:
		c.Scheme = "tcp"
	}
}

// outsidePort decodes a port that must be a number.
func (d *decoder) outsidePort(n *node, why, hint string) int32 {
	port := n.get("port")
	switch {
	case port == nil && n.missing("port"):
		d.wrong(n, rule.MissingField, n.path+" does not say which port it calls", why, hint)
	case port.is(cue.StringKind):
		d.wrong(port, rule.WrongValue, fmt.Sprintf("%s must be a number, not a string (%q)", port.path, port.text), "names are for the ports of services", hint)
	}
	return int32(port.int64())
}

func (d *decoder) callOutside(n *node, c *Call) {
	d.oneOf(n, []string{"service", "app", "host", "cidr"}, "is more than one thing to call", "a call is to one place", "", "")
	c.Port = d.outsidePort(n, "outside, nothing tells it", "write port: 443")
	if at := n.get("namespace"); at != nil {
		d.wrong(at, rule.NotOfCall, fmt.Sprintf("%s is of another App, but %s is outside", at.path, n.path), "", "remove it")
	}
	c.Scheme = "tcp"
	switch {
	case c.Host != "" && c.Port == 443:
		c.Scheme = "https"
	case c.Host != "" && c.Port == 80:
		c.Scheme = "http"
	}
	d.cidr(n.get("cidr"))
}

// cidr checks a range of addresses.
func (d *decoder) cidr(n *node) string {
	text := n.str()
	if text == "" {
		return ""
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s is no range of addresses: %q", n.path, text), "", `write one such as "10.0.0.0/8" or "2001:db8::/32"`)
	case prefix.Masked() != prefix:
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s has bits after its first %d: %q", n.path, prefix.Bits(), text), "they mean nothing", fmt.Sprintf("write %q", prefix.Masked()))
	}
	return text
}

// callers decodes who outside of the App may connect to a service.
func (d *decoder) callers(n *node, m member) []Caller {
	var list []Caller
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		c := Caller{
			Name: f.name, App: f.get("app").str(), Service: f.get("service").str(), Namespace: f.get("namespace").str(),
			CIDR: d.cidr(f.get("cidr")), Port: f.get("port").str(),
		}
		others := []string{"app", "cidr"}
		if f.get("app") == nil {
			others = []string{"namespace", "cidr"}
		}
		d.oneOf(f, others, "is more than one caller", "each has a name of its own", "does not say who may connect", `write one of app: "…", namespace: "…", cidr: "…"`)
		if at := f.get("service"); at != nil && f.missing("app") {
			d.wrong(at, rule.NotOfCall, at.path+" names a service, but not its App", "services of this App are allowed by their calls", `write app: "…" beside it`)
		}
		if at := f.get("namespace"); at != nil && f.get("app") != nil && f.get("cidr") != nil {
			d.wrong(at, rule.NotOfCall, at.path+" is of pods, not of addresses", "", "remove it")
		}
		if c.App != "" && c.Namespace == "" {
			c.Namespace = c.App
		}
		if at := f.get("port"); c.Port != "" && settled(m.n, "ports") && findPort(m.s.ServicePorts(), c.Port, "") == nil {
			d.noPort(at, c.Port, m.s, m.n, "allows")
		}
		list = append(list, c)
	}
	return list
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
		d.against(n, at, rule.ServiceDisabled, fmt.Sprintf("%s %s %s, which is disabled", n.path, does, off.path), "",
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
	d.wrong(n, rule.UnknownService, fmt.Sprintf("%s %s the service %q, which is not there", n.path, does, name), why, hint)
	return member{}, false
}
