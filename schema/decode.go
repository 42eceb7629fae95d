package schema

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// decoder makes an App of a tree, and finds what is wrong across fields. It
// takes trees with errors too: what is bad or missing is passed over, as
// another error tells of it.
type decoder struct {
	project  Project
	errs     Errors
	warnings []*Error
	loc      *locator
	root     *os.Root       // the module's folder, once one in it is looked at
	places   map[string]Pos // of what is not in CUE
	services *node
	enabled  []member // services, sorted by name
	byName   map[string]member
	disabled map[string]*node
}

// member is a service of the App, and what it was made of.
type member struct {
	n *node
	s *Service
}

func (d *decoder) wrong(n *node, rule, message, why, hint string) {
	d.tell(&Error{Rule: rule, Pos: n.pos, Path: n.path, Message: message, Why: why, Hint: hint})
}

// tell keeps an error, or a warning when its rule is one.
func (d *decoder) tell(e *Error) {
	if e = ruled(e); e.Severity == rule.Warning {
		d.warnings = append(d.warnings, e)
		return
	}
	d.errs = append(d.errs, e)
}

// against is wrong with the place of what it is wrong with.
func (d *decoder) against(n, other *node, rule, message, why, hint string) {
	e := &Error{Rule: rule, Pos: n.pos, Path: n.path, Message: message, Why: why, Hint: hint}
	if other != nil && other.pos.IsValid() && other.pos != n.pos {
		e.Related = []Pos{other.pos}
	}
	d.tell(e)
}

func (d *decoder) app(n *node) *App {
	defer d.close()
	d.places = map[string]Pos{}
	a := &App{
		Name:        n.get("name").str(),
		Environment: n.get("environment").str(),
		Namespace:   n.get("namespace").str(),
		Registry:    n.get("registry").str(),
		Labels:      d.labels(n.get("labels")),
		Annotations: d.annotations(n.get("annotations")),
		Quota:       d.quota(n.get("quota")),

		NamespaceLabels:      d.labels(n.get("namespaceLabels")),
		NamespaceAnnotations: d.annotations(n.get("namespaceAnnotations")),

		Monitoring: cmp.Or(n.get("monitoring").str(), Annotations),
		TTL:        d.ttl(n.get("ttl")),
		Kubernetes: n.get("kubernetes").str(),
		Limits:     d.limits(n.get("limits")),
		Objects:    d.rawObjects(n.get("objects")),
		CRDs:       d.crds(n.get("crds")),
		policies:   d.policies(n.get("policy")),
		Network:    d.network(n.get("network")),
		Gateways:   d.gateways(n.get("gateways")),
	}
	if a.Environment != "" {
		env := n.get("environments").get(a.Environment)
		a.Context = env.get("context").str()
		a.Cluster = env.get("cluster").str()
		a.Protected = env.get("protected").bool(false)
		if a.Protected && env.missing("cluster") {
			d.wrong(env.get("protected"), rule.MissingField, env.path+" is protected, but does not say which cluster it is in", "a context is only a name, which may lead anywhere",
				"write cluster: \"…\": kubectl get namespace kube-system -o jsonpath={.metadata.uid}")
		}
		if at := n.get("ttl"); a.Protected && a.TTL > 0 {
			d.against(at, env.get("protected"), rule.TTL, fmt.Sprintf("%s ends the app in %s, which is protected", at.path, env.path),
				"shipit delete --expired would remove it", "take one of the two out")
		}
	}
	if a.Namespace == "" {
		a.Namespace = a.Name
	}
	services := n.get("services")
	d.services, d.byName, d.disabled = services, map[string]member{}, map[string]*node{}
	if services.is(cue.StructKind) {
		for _, s := range sorted(services) {
			switch {
			case !s.is(cue.StructKind):
			case s.get("enabled").bool(true):
				d.enabled = append(d.enabled, member{s, d.service(s)})
			default:
				d.disabled[s.name] = s
			}
		}
		d.anyService(services)
	}
	for _, m := range d.enabled {
		a.Services = append(a.Services, m.s)
		d.byName[m.s.Name] = m
	}
	d.across(a, n)
	return a
}

// ttl reads how long the App stays.
func (d *decoder) ttl(n *node) time.Duration {
	ttl, err := time.ParseDuration(n.str())
	if err == nil && ttl == 0 {
		d.wrong(n, rule.TTL, n.path+" is no time at all", "the app would be over as soon as it is there", "write how long it stays, such as \"72h\", or leave ttl out: then it stays")
	}
	return ttl
}

func (d *decoder) anyService(services *node) {
	switch {
	case len(services.fields) == 0:
		d.wrong(services, rule.MissingField, "services is empty", "an App has at least one service",
			`write one, such as services: web: image: "nginx:1.29"`)
	case len(d.disabled) == len(services.fields):
		d.wrong(services, rule.MissingField, "every service is disabled", "an App has at least one service", "enable one of them")
	}
}

func (d *decoder) service(n *node) *Service {
	s := &Service{
		Name:     n.name,
		Workload: cmp.Or(n.get("workload").str(), Deployment),
		Image:    n.get("image").str(),
		Command:  n.get("command").strings(),
		Args:     n.get("args").strings(),
		Workdir:  n.get("workdir").str(),
		Build:    d.build(n.get("build")),
		Replicas: 1,
		Ports:    d.ports(n.get("ports")),
		Env:      d.env(n.get("env"), n),
		EnvFrom:  d.envFrom(n.get("envFrom"), n),
		Config:   d.configs(n.get("config")),
		Secrets:  d.secrets(n.get("secrets")),
		Volumes:  d.volumes(n.get("volumes"), n),
		Needs:    names(n.get("needs")),
		Pull:     names(n.get("pull")),
		Security: d.security(n.get("security")),

		Labels:      d.labels(n.get("labels")),
		Annotations: d.annotations(n.get("annotations")),
		Placement:   d.placement(n.get("placement")),
		Permissions: d.permissions(n.get("permissions")),
		Patch:       patches(n.get("patch")),
	}
	if replicas := n.get("replicas"); replicas.is(cue.IntKind) {
		s.Replicas = int32(replicas.int64())
	}
	s.Resources = d.resources(n.get("resources"))
	s.Probes = d.probes(n, s.Ports)
	s.Init = inits(d.containers(n.get("init"), n, s))
	s.Sidecars = d.containers(n.get("sidecars"), n, s)
	s.Rollout = d.rollout(n.get("rollout"))
	s.Lifecycle = d.lifecycle(n.get("lifecycle"), n, s)
	s.Monitor = d.monitor(n.get("monitor"), n, s)
	s.Service = d.serviceSpec(n.get("service"), n, s)
	s.Before = d.tasks(n.get("jobs").get("before"), n, s)
	s.After = d.tasks(n.get("jobs").get("after"), n, s)
	s.Schedule = d.schedule(n, s)
	d.texts(n)
	d.patched(n, s)
	d.source(n)
	d.pod(n, s)
	d.scaling(n, s)
	d.workload(n, s)
	return s
}

// sorted gives the fields of a struct by name; none of what is no struct.
func sorted(n *node) []*node {
	if !n.is(cue.StructKind) {
		return nil
	}
	fields := slices.Clone(n.fields)
	slices.SortFunc(fields, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	return fields
}

// names gives the names of a struct's fields, sorted.
func names(n *node) []string {
	var list []string
	for _, f := range sorted(n) {
		list = append(list, f.name)
	}
	return list
}

// settled reports whether nothing is known to be wrong with a field, there or
// not, so that others may be measured by it.
func settled(n *node, name string) bool {
	if f := n.get(name); f != nil {
		return !f.bad
	}
	return n.missing(name)
}

// oneOf checks that a struct has exactly one of some fields. The messages are the
// struct's path with tooMany or none behind it; why goes with the first of them,
// and hint with the second.
func (d *decoder) oneOf(n *node, kinds []string, tooMany, why, none, hint string) {
	var given []*node
	missing := true
	for _, kind := range kinds {
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
		e := &Error{
			Rule:    rule.OneOf,
			Pos:     related[0],
			Path:    n.path,
			Message: fmt.Sprintf("%s %s: %s", n.path, tooMany, strings.Join(names, ", ")),
			Why:     why,
			Hint:    "keep one of them",
			Related: related[1:],
		}
		ofChosen := func(p Pos) bool { return d.loc.ofChosen[p] }
		if i := slices.IndexFunc(related, ofChosen); i >= 0 && slices.ContainsFunc(related, func(p Pos) bool { return !ofChosen(p) }) {
			e.Pos, e.Related = related[i], slices.Delete(slices.Clone(related), i, i+1)
			e.Hint = fmt.Sprintf("an environment only adds: in the service, write each under an if, such as if environment == %q {…}", d.loc.environment.name)
		}
		d.tell(e)
	}
	// An unknown field was meant to be one of them.
	if missing && !slices.ContainsFunc(n.fields, func(f *node) bool { return f.bad }) {
		d.wrong(n, rule.MissingField, n.path+" "+none, "", hint)
	}
}

func (d *decoder) build(n *node) *Build {
	if !n.is(cue.StructKind) {
		return nil
	}
	pkg := n.get("go")
	if !slices.ContainsFunc(n.fields, func(f *node) bool { return f.bad }) { // else it is another tool's
		d.goFolder(pkg)
	}
	return &Build{Go: pkg.str()}
}

// source checks that a service has either an image or a build.
func (d *decoder) source(n *node) {
	image, build := n.get("image"), n.get("build")
	switch {
	case image != nil && build != nil:
		hint := "remove one of the two"
		if slices.ContainsFunc(d.loc.all[n.path], func(p Pos) bool {
			first, last := image.pos, build.pos
			if first.compare(last) > 0 {
				first, last = last, first
			}
			return p.File == last.File && (first.File != p.File || first.compare(p) < 0) && p.compare(last) <= 0
		}) {
			hint += otherName // they stand in two places
		}
		d.tell(&Error{
			Rule:    rule.ImageAndBuild,
			Pos:     image.pos,
			Path:    n.path,
			Message: n.path + " has both an image and a build",
			Why:     "a build makes the image",
			Hint:    hint,
			Related: []Pos{build.pos},
		})
	case n.missing("image") && n.missing("build") && d.loc.onlyInEnvironment(n.path):
		env := d.loc.environment.name
		hint := "give it an image or a build, or write it outside of the environment too"
		others := slices.DeleteFunc(names(d.services), func(name string) bool { return d.loc.onlyInEnvironment("services." + name) })
		if near := nearestName(n.name, others); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(n, rule.NoImage, fmt.Sprintf("%s is only in the environment %s, and has neither an image nor a build", n.path, env), "", hint)
	case n.missing("image") && n.missing("build"):
		d.wrong(n, rule.NoImage, n.path+" has neither an image nor a build", "",
			`write image: "nginx:1.29", or build: go: "." to build a Go program`)
	case build.is(cue.StructKind) && build.missing("go"):
		d.wrong(build, rule.NoImage, build.path+" does not say what to build", "",
			`write build: go: "." with the folder of a Go main package`)
	}
}

func (d *decoder) ports(n *node) []Port {
	if !n.is(cue.StructKind) {
		return nil
	}
	var ports []Port
	for _, f := range n.fields {
		p := Port{Name: f.name, Port: int32(f.int64()), Protocol: "TCP"}
		if f.is(cue.StructKind) {
			p.Port = int32(f.get("port").int64())
			p.Service = int32(f.get("service").int64())
			p.Node = d.nodePort(f.get("node"))
			p.Host = int32(f.get("host").int64())
			p.Protocol = cmp.Or(f.get("protocol").str(), p.Protocol)
			p.AppProtocol = f.get("appProtocol").str()
		}
		p.Service = cmp.Or(p.Service, p.Port)
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b Port) int { return cmp.Compare(a.Name, b.Name) })
	return ports
}

// The ports that an API server gives to nodes, unless it is told otherwise
// (--service-node-port-range).
const firstNodePort, lastNodePort = 30000, 32767

// nodePort decodes a port of every node.
func (d *decoder) nodePort(n *node) int32 {
	port := n.int64()
	if port != 0 && (port < firstNodePort || port > lastNodePort) {
		d.wrong(n, rule.NodePortRange, fmt.Sprintf("%s is %d, which most clusters refuse", n.path, port),
			fmt.Sprintf("they give the ports from %d to %d to nodes", firstNodePort, lastNodePort), "choose one of these, or leave it out: the cluster then chooses")
	}
	return int32(port)
}
