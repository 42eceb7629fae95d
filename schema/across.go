package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

// across checks what only all services together can be wrong in.
func (d *decoder) across(a *App, app *node) {
	for _, m := range d.enabled {
		m.s.Calls = d.calls(a, m)
		m.s.Callers = d.callers(m.n.get("callers"), m)
		m.s.Expose = d.exposes(a, app, m)
		d.neighbours(m)
		d.scraped(a, m)
		d.unsaid(a, m)
		d.references(m)
		d.shares(a, m)
		for _, need := range m.s.Needs {
			d.other(m.n.get("needs").get(need), need, "needs")
		}
	}
	d.circles()
	d.sameHosts()
	d.versions(a)
	d.checkObjects(a, d.collisions(a))
	d.fitLimits(a, app.get("limits"))
	d.fitQuota(a, app.get("quota"))
}

// circles finds services that need each other, and says each circle once.
func (d *decoder) circles() {
	const unseen, open, done = 0, 1, 2
	state := map[string]int{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		path = append(path, name)
		for _, need := range d.byName[name].s.Needs {
			if _, there := d.byName[need]; !there {
				continue
			}
			switch state[need] {
			case unseen:
				visit(need)
			case open:
				d.circle(path[slices.Index(path, need):])
			}
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, m := range d.enabled {
		if state[m.s.Name] == unseen {
			visit(m.s.Name)
		}
	}
}

// circle draws one: of services of which each needs the next, and the last the
// first.
func (d *decoder) circle(services []string) {
	edges := make([]*node, len(services))
	for i, name := range services {
		edges[i] = d.byName[name].n.get("needs").get(services[(i+1)%len(services)])
	}
	first := edges[0]
	e := &Error{
		Rule: rule.NeedsCircle, Pos: first.pos, Path: first.path,
		Message: "services need each other in a circle: " + draw(services),
		Why:     "each would wait for the next to be healthy, and none could be the first",
		Hint:    "remove one of these needs; calls alone may go in circles",
	}
	if len(services) == 1 {
		e.Message = fmt.Sprintf("%s needs itself: %s -> %s", d.byName[services[0]].n.path, services[0], services[0])
		e.Why, e.Hint = "it would wait for itself to be healthy before it starts", "remove it"
	}
	for _, edge := range edges[1:min(len(edges), drawn)] {
		e.Related = append(e.Related, edge.pos)
	}
	d.tell(e)
}

// drawn is how many services of a circle are told.
const drawn = 12

// draw gives a circle as a line of text, of large ones the ends.
func draw(services []string) string {
	line := slices.Clone(services)
	if n := len(services); n > drawn {
		line = slices.Concat(services[:drawn/2], []string{fmt.Sprintf("… %d more …", n-drawn)}, services[n-drawn/2:])
	}
	return strings.Join(append(line, services[0]), " -> ")
}

// object is one that Kubernetes knows by its name.
type object struct{ kind, name string }

// owner is who makes an object.
type owner struct {
	n    *node
	what string
}

// collisions finds objects that two would make, or that are there already.
func (d *decoder) collisions(a *App) map[object]owner {
	taken := map[object]owner{}
	for _, m := range d.enabled {
		told := map[string]bool{}
		d.objects(m, func(kind, name string, n *node) {
			o := object{kind, name}
			if other, ok := taken[o]; ok && other.n != n && !told[name] {
				told[name] = true
				d.against(n, other.n, rule.SameObject, fmt.Sprintf("%s and %s would both make the %s %q", other.n.path, n.path, kind, name), "",
					"give one of them another name")
				return
			}
			taken[o] = owner{n, kind}
		})
		switch {
		case m.s.Name == "default":
			d.wrong(m.n, rule.WrongName, m.n.path+" would take the place of the ServiceAccount \"default\"",
				"every namespace has one, and pods without a ServiceAccount run as it", "give the service another name")
		case m.s.Name == "kubernetes" && a.Namespace == "default":
			d.wrong(m.n, rule.WrongName, m.n.path+" would take the place of the Service \"kubernetes\"",
				"it is how pods find the API server, in the namespace default", "give the service or the namespace another name")
		}
	}
	return taken
}

// objects tells of the objects that a service makes which could be somebody
// else's too. Those with a hash in their name are told without it.
func (d *decoder) objects(m member, tell func(kind, name string, n *node)) {
	s, n := m.s, m.n
	if len(s.Ports) > 0 || s.Workload == StatefulSet {
		tell("Service", s.Name, n)
	}
	if s.Workload == StatefulSet {
		tell("Service", s.Name+"-headless", n)
	}
	for _, c := range s.Config {
		tell("ConfigMap", s.Name+"-"+c.Name, n.get("config").get(c.Name))
	}
	for _, c := range s.Secrets {
		tell("Secret", s.Name+"-"+c.Name, n.get("secrets").get(c.Name))
	}
	for _, v := range s.Volumes {
		at := n.get("volumes").get(v.Name)
		switch {
		case v.Claim == nil:
		case s.Workload == StatefulSet:
			for i := range min(s.Replicas, 100) {
				tell("PersistentVolumeClaim", fmt.Sprintf("%s-%s-%d", v.Name, s.Name, i), at)
			}
		default:
			tell("PersistentVolumeClaim", s.Name+"-"+v.Name, at)
		}
	}
	for _, e := range s.Expose {
		kind := "Ingress"
		if e.Gateway != nil {
			kind = "HTTPRoute"
		}
		tell(kind, s.Name+"-"+e.Name, n.get("expose").get(e.Name))
	}
	if len(s.Expose) > 0 {
		tell("NetworkPolicy", s.Name+"-expose", n.get("expose"))
	}
	callees := map[string]bool{}
	for _, c := range s.Calls {
		if c.Service != "" && c.App == "" && !callees[c.Service] {
			callees[c.Service] = true
			tell("NetworkPolicy", s.Name+"-to-"+c.Service, n.get("calls").get(c.Name))
		}
	}
}
