package schema

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"cuelang.org/go/cue"
)

// decoder makes an App of a tree, and finds what is wrong across fields. It
// takes trees with errors too: what is bad or missing is passed over, as
// another error tells of it.
type decoder struct{ errs Errors }

func (d *decoder) wrong(n *node, code Code, message, why, hint string) {
	d.errs = append(d.errs, &Error{Code: code, Pos: n.pos, Path: n.path, Message: message, Why: why, Hint: hint})
}

func (d *decoder) app(n *node) *App {
	a := &App{
		Name:      n.get("name").str(),
		Namespace: n.get("namespace").str(),
		Registry:  n.get("registry").str(),
	}
	if a.Namespace == "" {
		a.Namespace = a.Name
	}
	services := n.get("services")
	if services.is(cue.StructKind) && len(services.fields) == 0 {
		d.wrong(services, MissingField, "services is empty", "an App has at least one service",
			`write one, such as services: web: image: "nginx:1.29"`)
	}
	if services.is(cue.StructKind) {
		for _, s := range services.fields {
			if s.is(cue.StructKind) {
				a.Services = append(a.Services, d.service(s))
			}
		}
	}
	slices.SortFunc(a.Services, func(a, b *Service) int { return cmp.Compare(a.Name, b.Name) })
	return a
}

func (d *decoder) service(n *node) *Service {
	s := &Service{
		Name:     n.name,
		Image:    n.get("image").str(),
		Command:  n.get("command").strings(),
		Args:     n.get("args").strings(),
		Replicas: 1,
		Ports:    d.ports(n.get("ports")),
		Env:      env(n.get("env")),
		Security: d.security(n.get("security")),
	}
	if build := n.get("build"); build.is(cue.StructKind) {
		s.Build = d.build(build)
	}
	if replicas := n.get("replicas"); replicas.is(cue.IntKind) {
		s.Replicas = int32(replicas.int64())
	}
	s.Resources = d.resources(n.get("resources"))
	probes := n.get("probes")
	s.Probes.Startup = d.probe(probes.get("startup"), n, s)
	s.Probes.Readiness = d.probe(probes.get("readiness"), n, s)
	s.Probes.Liveness = d.probe(probes.get("liveness"), n, s)
	d.source(n)
	return s
}

func (d *decoder) build(n *node) *Build {
	pkg := n.get("go")
	if text := pkg.str(); text != "" && !filepath.IsLocal(filepath.FromSlash(text)) {
		d.wrong(pkg, WrongValue, fmt.Sprintf("%s leaves the project: %q", pkg.path, text),
			"a build reads the project's files only", "make the folder that holds both the project, or copy the package into it")
	}
	return &Build{Go: pkg.str()}
}

// source checks that a service has either an image or a build.
func (d *decoder) source(n *node) {
	image, build := n.get("image"), n.get("build")
	switch {
	case image != nil && build != nil:
		d.errs = append(d.errs, &Error{
			Code:    Contradicts,
			Pos:     image.pos,
			Path:    n.path,
			Message: n.path + " has both an image and a build",
			Why:     "a build makes the image",
			Hint:    "remove one of the two",
			Related: []Pos{build.pos},
		})
	case n.missing("image") && n.missing("build"):
		d.wrong(n, MissingField, n.path+" has neither an image nor a build", "",
			`write image: "nginx:1.29", or build: go: "." to build a Go program`)
	case build.is(cue.StructKind) && build.missing("go"):
		d.wrong(build, MissingField, build.path+" does not say what to build", "",
			`write build: go: "." with the folder of a Go main package`)
	}
}

func (d *decoder) ports(n *node) []Port {
	if !n.is(cue.StructKind) {
		return nil
	}
	var ports []Port
	inService := map[string]*node{}
	for _, f := range n.fields {
		p := Port{Name: f.name, Port: int32(f.int64()), Protocol: "TCP"}
		if f.is(cue.StructKind) {
			p.Port = int32(f.get("port").int64())
			p.Service = int32(f.get("service").int64())
			p.Protocol = cmp.Or(f.get("protocol").str(), p.Protocol)
		}
		p.Service = cmp.Or(p.Service, p.Port)
		ports = append(ports, p)

		key := fmt.Sprintf("%d/%s", p.Service, p.Protocol)
		if other := inService[key]; other != nil && p.Service != 0 {
			d.errs = append(d.errs, &Error{
				Code:    Contradicts,
				Pos:     f.pos,
				Path:    f.path,
				Message: fmt.Sprintf("%s and %s are both port %s of the Service", f.path, other.name, key),
				Why:     "a Service has each port once",
				Hint:    fmt.Sprintf("remove one, or give it another: %s: {port: %d, service: …}", f.name, p.Port),
				Related: []Pos{other.pos},
			})
		}
		inService[key] = f
	}
	return ports
}

func env(n *node) []EnvVar {
	if !n.is(cue.StructKind) {
		return nil
	}
	var vars []EnvVar
	for _, f := range n.fields {
		vars = append(vars, EnvVar{Name: f.name, Value: f.str()})
	}
	slices.SortFunc(vars, func(a, b EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	return vars
}

func (d *decoder) security(n *node) Security {
	s := Security{
		RunAsUser:                id(n.get("runAsUser")),
		RunAsGroup:               id(n.get("runAsGroup")),
		FSGroup:                  id(n.get("fsGroup")),
		AllowRoot:                !n.get("runAsNonRoot").bool(true),
		WritableRoot:             !n.get("readOnlyRootFilesystem").bool(true),
		AddCapabilities:          n.get("capabilities").get("add").strings(),
		AllowPrivilegeEscalation: n.get("allowPrivilegeEscalation").bool(false),
	}
	if s.RunAsUser != nil && *s.RunAsUser == 0 && !s.AllowRoot {
		user := n.get("runAsUser")
		d.wrong(user, Contradicts, user.path+" is 0, which is root, but the service may not run as root",
			"runAsNonRoot is true unless said otherwise, so the container would never start",
			"use another user, or write runAsNonRoot: false beside it")
	}
	return s
}

func id(n *node) *int64 {
	if !n.is(cue.IntKind) {
		return nil
	}
	i := n.int64()
	return &i
}
