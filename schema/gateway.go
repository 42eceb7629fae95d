package schema

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// gateways decodes those of the App.
func (d *decoder) gateways(n *node) []Gateway {
	var list []Gateway
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		g := Gateway{Name: f.name, Class: f.get("class").str(), Annotations: texts(f.get("annotations"))}
		listeners := f.get("listeners")
		for _, l := range sorted(listeners) {
			if l.is(cue.StructKind) {
				g.Listeners = append(g.Listeners, d.listener(l))
			}
		}
		if listeners.is(cue.StructKind) && len(listeners.fields) == 0 {
			d.wrong(listeners, rule.MissingField, listeners.path+" is empty", "a Gateway has at least one", "write one, such as http: port: 80")
		}
		type address struct {
			port int32
			host string
		}
		taken := map[address]*node{}
		for _, l := range g.Listeners {
			at, a := listeners.get(l.Name), address{l.Port, l.Host}
			if other := taken[a]; other != nil && l.Port > 0 {
				d.against(at, other, rule.SamePort, fmt.Sprintf("%s and %s listen on the same port for the same host", other.path, at.path), "", "give one of them another port or host")
			}
			taken[a] = at
		}
		list = append(list, g)
	}
	return list
}

func (d *decoder) listener(n *node) Listener {
	l := Listener{
		Name: n.name, Port: int32(n.get("port").int64()), Protocol: n.get("protocol").str(), Host: n.get("host").str(),
		Secrets: names(n.get("tls")), From: cmp.Or(n.get("from").str(), "Same"),
	}
	switch {
	case l.Protocol == "" && len(l.Secrets) > 0:
		l.Protocol = "HTTPS"
	case l.Protocol == "" && n.missing("protocol"):
		l.Protocol = "HTTP"
	case l.Protocol == "HTTPS" && len(l.Secrets) == 0 && n.missing("tls"):
		d.wrong(n, rule.MissingField, n.path+" speaks HTTPS, but has no certificate", "", `write tls: "NAME": {} with the name of a Secret of type kubernetes.io/tls`)
	case l.Protocol == "HTTP" && n.get("tls") != nil:
		d.against(n.get("tls"), n.get("protocol"), rule.OneOf, n.path+" has certificates, but speaks HTTP", "", "remove one of the two")
	}
	return l
}

// gatewayRef decodes the gateway of an expose. One of the App's own has to be
// there, with a listener for the host.
func (d *decoder) gatewayRef(a *App, app, expose *node) *GatewayRef {
	n := expose.get("gateway")
	if !n.is(cue.StructKind) {
		return nil
	}
	g := &GatewayRef{Name: n.get("name").str(), Namespace: n.get("namespace").str(), SectionName: n.get("sectionName").str()}
	if g.Name == "" || g.Namespace != "" || !n.missing("namespace") || !settled(app, "gateways") {
		return g
	}
	have := app.get("gateways")
	own := have.get(g.Name)
	if own == nil {
		hint := "add it to gateways, or write namespace: \"…\" for one that is not the App's"
		if near := nearestName(g.Name, names(have)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		why := "the App has no gateways"
		if list := names(have); len(list) > 0 {
			why = "its gateways are " + strings.Join(list, ", ")
		}
		d.wrong(n.get("name"), rule.UnknownGateway, fmt.Sprintf("%s is %q, which is no gateway of this App", n.get("name").path, g.Name), why, hint)
		return g
	}
	d.listens(a, own, expose, g)
	return g
}

// listens checks that a gateway of the App has a listener for an expose.
func (d *decoder) listens(a *App, own, expose *node, g *GatewayRef) {
	for _, gateway := range a.Gateways {
		if gateway.Name != g.Name || own.bad {
			continue
		}
		found, fits := false, false
		var hosts []string
		for _, l := range gateway.Listeners {
			if g.SectionName != "" && l.Name != g.SectionName {
				continue
			}
			found = true
			fits = fits || l.Host == "" || hostWithin(expose.get("host").str(), l.Host)
			hosts = append(hosts, l.Host)
		}
		section := expose.get("gateway").get("sectionName")
		switch host := expose.get("host"); {
		case !found && section != nil && !section.bad:
			d.against(section, own, rule.UnknownGateway, fmt.Sprintf("%s is %q, which is no listener of %s", section.path, g.SectionName, own.path),
				"its listeners are "+strings.Join(names(own.get("listeners")), ", "), "")
		case found && !fits && host.str() != "":
			d.against(host, own, rule.UnknownGateway, fmt.Sprintf("%s is %q, which no listener of %s takes", host.path, host.text, own.path),
				"they take "+strings.Join(hosts, ", "), "use a host that one of them takes, or add a listener")
		}
	}
}

// hostWithin reports whether a host is one that a listener's host takes.
func hostWithin(host, listener string) bool {
	if suffix, ok := strings.CutPrefix(listener, "*"); ok {
		return strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix)
	}
	return host == listener || strings.HasPrefix(host, "*.") && strings.HasSuffix(listener, host[1:])
}

// network decodes what network policies allow.
func (d *decoder) network(n *node) Network {
	w := Network{
		Policy:       n.get("policy").bool(true),
		DNS:          Peer{Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}},
		NodeLocalDNS: cmp.Or(n.get("nodeLocalDNS").str(), "169.254.20.10"),
		Ingress:      peer(n.get("ingress")),
		Monitoring:   peer(n.get("monitoring")),
		APIServer:    d.cidr(n.get("apiServer")),
	}
	if dns := peer(n.get("dns")); dns != nil {
		w.DNS = *dns
	}
	if _, err := netip.ParseAddr(w.NodeLocalDNS); err != nil {
		at := n.get("nodeLocalDNS")
		d.wrong(at, rule.WrongValue, fmt.Sprintf("%s is no address: %q", at.path, at.text), "", `write one such as "169.254.20.10"`)
	}
	return w
}

func peer(n *node) *Peer {
	if !n.is(cue.StructKind) {
		return nil
	}
	return &Peer{Namespace: n.get("namespace").str(), Labels: texts(n.get("labels"))}
}
