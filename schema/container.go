package schema

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// containers decodes those beside a service's own, in the order of their names.
func (d *decoder) containers(n, service *node, s *Service) []Container {
	var list []Container
	for _, f := range sorted(n) {
		if f.is(cue.StructKind) {
			c := d.container(f, service, s)
			d.source(f)
			list = append(list, c)
		}
	}
	return list
}

func (d *decoder) container(n, service *node, s *Service) Container {
	c := Container{
		Name:      n.name,
		Order:     int(n.get("order").int64()),
		Image:     n.get("image").str(),
		Build:     d.build(n.get("build")),
		Command:   n.get("command").strings(),
		Args:      n.get("args").strings(),
		Workdir:   n.get("workdir").str(),
		Env:       d.env(n.get("env"), service),
		EnvFrom:   d.envFrom(n.get("envFrom"), service),
		Ports:     d.ports(n.get("ports")),
		Resources: d.resources(n.get("resources")),
		Security:  d.security(n.get("security")),
		Mounts:    d.mounts(n.get("mounts"), service, s),
	}
	c.Probes = d.probes(n, c.Ports)
	d.texts(n)
	if n.name == s.Name {
		d.against(n, service, rule.SameObject, fmt.Sprintf("%s has the name of the service's own container", n.path), "each container of a pod has its own",
			"give it another name")
	}
	return c
}

// mounts decodes which of the service's volumes a container has, and where.
func (d *decoder) mounts(n, service *node, s *Service) []Mount {
	var list []Mount
	at := map[string]*node{}
	for _, f := range sorted(n) {
		if !f.is(cue.StringKind | cue.StructKind) {
			continue
		}
		m := Mount{Volume: f.name, Path: f.str()}
		if f.kind == cue.StructKind {
			m.Path = f.get("path").str()
			m.SubPath = d.subPath(f.get("subPath"))
		}
		if m.Path != "" {
			m.Path = path.Clean(m.Path)
		}
		if d.named(f, service, "volumes", "volume", f.name) {
			i := slices.IndexFunc(s.Volumes, func(v Volume) bool { return v.Name == f.name })
			m.ReadOnly = f.get("readOnly").bool(i >= 0 && s.Volumes[i].ReadOnly)
			where := f
			if f.kind == cue.StructKind {
				where = f.get("path")
			}
			d.fileMount(service.get("volumes").get(f.name), where, f.get("subPath"), service)
		}
		if other := at[m.Path]; other != nil && m.Path != "" {
			d.against(f, other, rule.SameMount, fmt.Sprintf("%s and %s are both mounted on %s", f.path, other.path, m.Path),
				"a path shows one volume", "mount one of them elsewhere")
		}
		at[m.Path] = f
		list = append(list, m)
	}
	return list
}

// subPath decodes a path inside of a volume.
func (d *decoder) subPath(n *node) string {
	if text := n.str(); text != "" && !filepath.IsLocal(text) {
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s leaves the volume: %q", n.path, text), "", "write a path without .. in it")
	}
	return n.str()
}

// inits gives the init containers in the order in which they run.
func inits(list []Container) []Container {
	slices.SortStableFunc(list, func(a, b Container) int { return cmp.Compare(a.Order, b.Order) })
	return list
}

// envFrom decodes the configs and secrets that become variables as a whole.
func (d *decoder) envFrom(n, service *node) []EnvFrom {
	var list []EnvFrom
	for _, f := range sorted(n.get("config")) {
		d.named(f, service, "config", "config", f.name)
		list = append(list, EnvFrom{Config: f.name, Prefix: f.get("prefix").str()})
	}
	for _, f := range sorted(n.get("secrets")) {
		d.named(f, service, "secrets", "secret", f.name)
		list = append(list, EnvFrom{Secret: f.name, Prefix: f.get("prefix").str()})
	}
	return list
}

// defaultDeadline is how long a Task may take, in seconds.
const defaultDeadline = 600

// tasks decodes the Jobs of a service, of which all else is known: what they do
// not say is the service's.
func (d *decoder) tasks(n, service *node, s *Service) []Task {
	var list []Task
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		t := Task{
			Container:       d.container(f, service, s),
			DeadlineSeconds: int32(cmp.Or(f.get("deadlineSeconds").int64(), defaultDeadline)),
			BackoffLimit:    int32(f.get("backoffLimit").int64()),
			RunOn:           cmp.Or(f.get("runOn").str(), OnChange),
		}
		if f.get("image") != nil && f.get("build") != nil {
			d.source(f)
		}
		if f.get("image") == nil && f.get("build") == nil {
			t.Image, t.Build = s.Image, s.Build
		}
		if f.get("resources") == nil {
			t.Resources = s.Resources
		}
		if f.get("security") == nil {
			t.Security = s.Security
		}
		t.Env = mergeEnv(s.Env, t.Env)
		t.EnvFrom = mergeEnvFrom(s.EnvFrom, t.EnvFrom)
		list = append(list, t)
	}
	return list
}

// mergeEnv gives the variables of both, by name; those of own win.
func mergeEnv(base, own []EnvVar) []EnvVar {
	all := slices.Clone(own)
	for _, v := range base {
		if !slices.ContainsFunc(own, func(o EnvVar) bool { return o.Name == v.Name }) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// mergeEnvFrom gives the sources of both, in the order of EnvFrom; those of own
// win.
func mergeEnvFrom(base, own []EnvFrom) []EnvFrom {
	all := slices.Clone(own)
	for _, e := range base {
		if !slices.ContainsFunc(own, func(o EnvFrom) bool { return o.Config == e.Config && o.Secret == e.Secret }) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b EnvFrom) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Config, b.Config)) // configs have no Secret: they come first
	})
	return all
}

// podPorts checks the ports of all containers of a pod against each other.
func (d *decoder) podPorts(n *node, s *Service) {
	type owned struct {
		port Port
		n    *node
	}
	var all []owned
	add := func(container *node, ports []Port) {
		for _, p := range ports {
			all = append(all, owned{p, container.get("ports").get(p.Name)})
		}
	}
	add(n, s.Ports)
	for _, c := range s.Sidecars {
		add(n.get("sidecars").get(c.Name), c.Ports)
	}
	for i, a := range all {
		for _, b := range all[:i] {
			sameService := a.port.Service == b.port.Service && a.port.Protocol == b.port.Protocol && a.port.Service != 0
			switch {
			case a.port.Name == b.port.Name:
				d.against(a.n, b.n, rule.SamePort, fmt.Sprintf("%s and %s have the same name", b.n.path, a.n.path), "a pod has each port's name once", "give one another name")
			case sameService:
				d.against(a.n, b.n, rule.SamePort, fmt.Sprintf("%s and %s are both port %d/%s of the Service", a.n.path, b.n.name, a.port.Service, a.port.Protocol),
					"a Service has each port once", fmt.Sprintf("remove one, or give it another: %s: {port: %d, service: …}", a.port.Name, a.port.Port))
			default:
				continue
			}
			break
		}
	}
}

// pod checks what only all containers of a pod together can be wrong in.
func (d *decoder) pod(n *node, s *Service) {
	d.podPorts(n, s)
	for _, c := range s.Sidecars {
		sidecar, init := n.get("sidecars").get(c.Name), n.get("init").get(c.Name)
		if init != nil {
			d.against(sidecar, init, rule.SameObject, fmt.Sprintf("%s and %s have the same name", init.path, sidecar.path), "each container of a pod has its own",
				"give one of them another name")
		}
	}
	mounted := map[string]bool{}
	for _, group := range []*node{n.get("init"), n.get("sidecars"), n.get("jobs").get("before"), n.get("jobs").get("after")} {
		for _, c := range sorted(group) {
			for _, m := range sorted(c.get("mounts")) {
				mounted[m.name] = true
			}
		}
	}
	for _, v := range sorted(n.get("volumes")) {
		if v.is(cue.StructKind) && v.missing("mount") && !mounted[v.name] {
			d.wrong(v, rule.MissingField, v.path+" is mounted nowhere", "mount is where in the container it is",
				`write mount: "/data", or mount it in a sidecar or an init container`)
		}
	}
}
