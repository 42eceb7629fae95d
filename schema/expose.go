package schema

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// ofGateway are the fields of expose, and of its paths, that an Ingress cannot do.
var ofGateway = []string{"redirect", "weights", "rewrite", "headers", "method", "requestHeaders", "responseHeaders", "timeout"}

// exposes decodes the ways into a service from outside the cluster, when all
// services are known.
func (d *decoder) exposes(a *App, app *node, m member) []Expose {
	var list []Expose
	for _, f := range sorted(m.n.get("expose")) {
		if !f.is(cue.StructKind) {
			continue
		}
		e := Expose{
			Name: f.name, Host: f.get("host").str(), Class: f.get("class").str(), TLS: f.get("tls").get("secret").str(),
			Annotations: texts(f.get("annotations")), Redirect: d.redirect(f.get("redirect")),
		}
		e.DefaultTLS = f.get("tls").is(cue.StructKind) && f.get("tls").missing("secret")
		e.Gateway = d.gatewayRef(a, app, f)
		d.ingressOrRoute(f)
		if m.s.Finite() {
			list = append(list, e)
			continue // told already
		}
		e.Routes = d.routes(m, f, e)
		e.Path, e.Port = e.Routes[0].Path, ""
		if backends := e.Routes[0].Backends; len(backends) > 0 {
			e.Port = backends[0].Port
		}
		list = append(list, e)
	}
	return list
}

// texts decodes a struct of strings.
func texts(n *node) map[string]string {
	var m map[string]string
	for _, f := range sorted(n) {
		set(&m, f.name, f.str())
	}
	return m
}

// ingressOrRoute checks that expose has what its kind of object can do.
func (d *decoder) ingressOrRoute(n *node) {
	if g := n.get("gateway"); g != nil {
		for _, name := range []string{"class", "tls"} {
			if at := n.get(name); at != nil {
				d.against(at, g, rule.NeedsGateway, fmt.Sprintf("%s is of an Ingress, but %s is a route of a gateway", at.path, n.path),
					"a Gateway has a class, and its listeners have certificates", "say it at the gateway")
			}
		}
		return
	}
	if !n.missing("gateway") {
		return
	}
	for _, of := range append([]*node{n}, sorted(n.get("paths"))...) {
		for _, name := range ofGateway {
			if at := of.get(name); at != nil {
				d.wrong(at, rule.NeedsGateway, fmt.Sprintf("%s needs a gateway", at.path), "an Ingress cannot do that; controllers have annotations of their own for it",
					`write gateway: name: "…" beside it, or use annotations`)
			}
		}
	}
}

// routes decodes the paths of one way in: one or more.
func (d *decoder) routes(m member, n *node, e Expose) []Route {
	if n.get("path") != nil && n.get("paths") != nil {
		d.against(n.get("path"), n.get("paths"), rule.OneOf, n.path+" has both path and paths", "", "write the path as one of paths")
	}
	base := d.route(n, Route{Path: "/"})
	if p := n.get("path").str(); p != "" {
		base.Path = p
		d.plainPath(n.get("path"), p)
	}
	base.RequestHeaders, base.ResponseHeaders = d.headers(n.get("requestHeaders")), d.headers(n.get("responseHeaders"))
	paths := sorted(n.get("paths"))
	if len(paths) == 0 {
		base.Backends = d.backends(m, n, n, e)
		return []Route{base}
	}
	list := make([]Route, 0, len(paths))
	for _, f := range paths {
		r := d.route(f, base)
		r.Path = f.name
		d.plainPath(f, r.Path)
		r.Backends = d.backends(m, n, f, e)
		list = append(list, r)
	}
	return list
}

// route decodes what expose and its paths have in common, on top of base.
func (d *decoder) route(n *node, base Route) Route {
	r := base
	r.Exact = n.get("exact").bool(base.Exact)
	r.Method = cmp.Or(n.get("method").str(), base.Method)
	r.Rewrite = cmp.Or(n.get("rewrite").str(), base.Rewrite)
	r.Timeout = cmp.Or(n.get("timeout").str(), base.Timeout)
	if own := texts(n.get("headers")); own != nil {
		r.Headers = maps.Clone(base.Headers)
		for name, value := range own {
			set(&r.Headers, name, value)
		}
	}
	return r
}

// badPath is what Kubernetes refuses in the paths of an Ingress and of an HTTPRoute.
var badPath = regexp.MustCompile(`//|/\.\.?(/|$)|%2[fF]`)

func (d *decoder) plainPath(at *node, path string) {
	switch {
	case strings.ContainsAny(path, "?#"):
		d.wrong(at, rule.WrongValue, fmt.Sprintf("%s is %q, which is more than a path", at.path, path), "an Ingress looks at the path alone", "leave out what begins with ? or #")
	case badPath.MatchString(path):
		d.wrong(at, rule.WrongValue, fmt.Sprintf("%s is %q, which Kubernetes refuses", at.path, path), "a path has no empty parts, and none that are . or ..", "write it without them")
	case strings.ContainsAny(path, "*^$()|"):
		d.wrong(at, rule.PathPattern, fmt.Sprintf("%s is %q: a path is no pattern", at.path, path), "all paths that begin with it are its own, character by character", "write what they begin with")
	}
}

// backends decodes who answers for a route, which says it itself or leaves it to
// its expose.
func (d *decoder) backends(m member, expose, route *node, e Expose) []Backend {
	if e.Redirect != nil {
		for _, name := range []string{"weights", "rewrite"} {
			if at := route.get(name); at != nil {
				d.against(at, expose.get("redirect"), rule.OneOf, fmt.Sprintf("%s answers with another address, so %s means nothing", expose.path, name), "", "remove one of the two")
			}
		}
		return nil
	}
	at := route
	port := route.get("port")
	if port == nil {
		port = expose.get("port")
	}
	if port != nil {
		at = port
	}
	name := d.exposedPort(at, m, port.str())
	weights := route.get("weights")
	if weights == nil {
		weights = expose.get("weights")
	}
	if !weights.is(cue.StructKind) {
		b := Backend{Service: m.s.Name, Port: name, Weight: 1}
		if p := m.s.port(name); p != nil {
			b.Number = p.Service
		}
		return []Backend{b}
	}
	var list []Backend
	var sum int64
	unsure := false
	for _, f := range sorted(weights) {
		unsure = unsure || f.bad
		b := Backend{Service: f.name, Port: name, Weight: int32(f.int64())}
		sum += f.int64()
		if to, ok := d.other(f, f.name, "sends requests to"); ok && name != "" && settled(to.n, "ports") {
			if p := findPort(to.s.ServicePorts(), name, ""); p != nil {
				b.Number = p.Service
			} else {
				d.noPort(f, name, to.s, to.n, "sends requests to")
			}
		}
		list = append(list, b)
	}
	if sum == 0 && !unsure {
		d.wrong(weights, rule.WrongValue, weights.path+" gives nobody a share", "then nothing answers", fmt.Sprintf("write %s: 1", m.s.Name))
	}
	return list
}

func (d *decoder) exposedPort(at *node, m member, name string) string {
	if at.bad || !settled(m.n, "ports") {
		return name
	}
	p := m.s.port(name)
	if p == nil {
		d.noPort(at, name, m.s, m.n, "exposes")
		return name
	}
	if p.Protocol != "TCP" {
		d.wrong(at, rule.ExposeProtocol, fmt.Sprintf("%s exposes the port %q, which is %s", at.path, p.Name, p.Protocol),
			"an Ingress carries HTTP, which needs TCP", "expose another port")
	}
	return p.Name
}

func (d *decoder) headers(n *node) Headers {
	return Headers{Set: texts(n.get("set")), Add: texts(n.get("add")), Remove: names(n.get("remove"))}
}

func (d *decoder) redirect(n *node) *Redirect {
	if !n.is(cue.StructKind) {
		return nil
	}
	r := &Redirect{Host: n.get("host").str(), Path: n.get("path").str(), Port: int32(n.get("port").int64()), Status: int32(cmp.Or(n.get("status").int64(), 302))}
	if n.get("https").bool(false) {
		r.Scheme = "https"
		r.Port = cmp.Or(r.Port, 443)
	}
	if r.Scheme == "" && r.Host == "" && r.Path == "" && r.Port == 0 && len(n.fields) == 0 || n.get("status") != nil && len(n.fields) == 1 {
		d.wrong(n, rule.MissingField, n.path+" does not say where to", "it would answer with the same address", "write one of https: true, host: …, path: …, port: …")
	}
	return r
}

// claim is a route that wants requests.
type claim struct {
	n *node
	e Expose
	r Route
}

// clashes reports whether two that want the same host and path are in each other's
// way.
func (c claim) clashes(other claim) bool {
	a, b := c.e.Gateway, other.e.Gateway
	switch {
	case (a == nil) != (b == nil), c.r.Exact != other.r.Exact:
		return false
	case a == nil:
		return c.e.Class == other.e.Class || c.e.Class == "" || other.e.Class == "" // else two controllers, two ways in
	}
	return a.Name == b.Name && a.Namespace == b.Namespace && (a.SectionName == b.SectionName || a.SectionName == "" || b.SectionName == "") &&
		c.r.Method == other.r.Method && maps.Equal(c.r.Headers, other.r.Headers)
}

// sameHosts finds services that want the same requests from outside.
func (d *decoder) sameHosts() {
	type place struct{ host, path string }
	taken := map[place][]claim{}
	for _, m := range d.enabled {
		for _, e := range m.s.Expose {
			n := m.n.get("expose").get(e.Name)
			if path := n.get("path"); e.Host == "" || n.bad || path != nil && path.bad {
				continue
			}
			for _, r := range e.Routes {
				c := claim{n, e, r}
				p := place{e.Host, "/" + strings.Trim(r.Path, "/")}
				for _, other := range taken[p] {
					if c.clashes(other) {
						d.against(n, other.n, rule.SameRoute, fmt.Sprintf("%s and %s both expose %s%s", other.n.path, n.path, p.host, p.path),
							"a request goes to one service", "give one of them another host or path")
						break
					}
				}
				taken[p] = append(taken[p], c)
			}
		}
	}
}
