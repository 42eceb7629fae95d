package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// hostVariable ends the names of variables whose whole value is a host.
var hostVariable = regexp.MustCompile(`(^|_)(HOST|HOSTNAME|ADDR|ADDRESS|URL|SERVICE|ENDPOINT)$`)

// schemeHost is where a host stands for certain: after a scheme, and the user's
// name when there is one.
var schemeHost = regexp.MustCompile(`[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?([a-z][-a-z0-9]*)((?:\.[-a-z0-9]+)*)(?:[:/?#\s,]|$)`)

// hostAndPort is a whole value that is a host with a port.
var hostAndPort = regexp.MustCompile(`^([a-z][-a-z0-9]*)((?:\.[-a-z0-9]+)*):[0-9]{1,5}$`)

// hosts gives the services that a text names as hosts in the namespace: the first
// names of those without a domain, or with that of the cluster.
func hosts(text, namespace string) []string {
	var names []string
	add := func(name, domain string) {
		if domain == "" || domain == "."+namespace || strings.HasPrefix(domain, "."+namespace+".svc") {
			names = append(names, name)
		}
	}
	for _, m := range schemeHost.FindAllStringSubmatch(text, -1) {
		add(m[1], m[2])
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;=", r) }) {
		if m := hostAndPort.FindStringSubmatch(word); m != nil {
			add(m[1], m[2])
		}
	}
	return names
}

// plainAddress is a host, or an address as a call gives it, of a host and a port.
var plainAddress = regexp.MustCompile(`^((http|tcp)://[-a-z0-9.]+(:[0-9]{1,5})?|[-a-z0-9.]+)$`)

// givenByCall adds to a hint that a call sets a variable by itself; "" is another one.
func givenByCall(variable, service, text string) string {
	name := strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
	if variable != name+"_HOST" && variable != name+"_URL" || !plainAddress.MatchString(text) {
		return ""
	}
	return fmt.Sprintf(", which sets %s itself: the line with it can go", variable)
}

// unsaid warns of services that another talks to by its command, arguments or
// variables, but does not call: the network policies keep them apart.
func (d *decoder) unsaid(a *App, m member) {
	if !a.Network.Policy || !settled(m.n, "calls") {
		return
	}
	called := map[string]bool{m.s.Name: true}
	for _, c := range m.s.Calls {
		called[cmp.Or(c.Service, c.Name)] = true
	}
	look := func(at *node, variable string, names []string) {
		for _, name := range names {
			callee, there := d.byName[name]
			if !there || called[name] || len(callee.s.Ports) == 0 {
				continue
			}
			called[name] = true // once is enough
			d.against(at, callee.n, rule.CallUnsaid, fmt.Sprintf("%s names %s, which %s does not call", at.path, callee.n.path, m.n.path),
				"the network policies let nothing through that calls does not say", fmt.Sprintf("write calls: %s: {}", label(name))+givenByCall(variable, name, at.str()))
		}
	}
	containers := slices.Concat([]*node{m.n}, sorted(m.n.get("sidecars")), sorted(m.n.get("init")))
	for _, c := range containers {
		for _, v := range sorted(c.get("env")) {
			text := v.str()
			names := hosts(text, a.Namespace)
			if hostVariable.MatchString(v.name) {
				names = append(names, text)
			}
			look(v, v.name, names)
		}
		for _, field := range []string{"command", "args"} {
			list := c.get(field)
			if !list.is(cue.ListKind) {
				continue
			}
			for _, item := range list.items {
				look(item, "", hosts(item.str(), a.Namespace))
			}
		}
	}
}
