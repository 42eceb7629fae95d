package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// variableReference is $(NAME), which Kubernetes replaces; $$ is a single $
// (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables).
var variableReference = regexp.MustCompile(`\$\$|\$\(([^)]*)\)`)

// variableName is what a variable can be called. What a shell runs is not.
var variableName = regexp.MustCompile(`^[A-Za-z_][-.A-Za-z0-9_]*$`)

// apiServer are the variables that every container has: shipit turns off those of other
// Services.
var apiServer = []string{
	"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS", "KUBERNETES_PORT",
	"KUBERNETES_PORT_443_TCP", "KUBERNETES_PORT_443_TCP_ADDR", "KUBERNETES_PORT_443_TCP_PORT", "KUBERNETES_PORT_443_TCP_PROTO",
}

// references warns of $(NAME) in what the containers of a service are told, where
// nothing has that name.
func (d *decoder) references(m member) {
	if !settled(m.n, "calls") || !settled(m.n, "env") || !settled(m.n, "envFrom") || patchesEnv(m.s) {
		return
	}
	d.referring(m, m.n, m.s.Container())
	for i, list := range [][]Container{m.s.Init, m.s.Sidecars} {
		group := m.n.get([]string{"init", "sidecars"}[i])
		for _, c := range list {
			d.referring(m, group.get(c.Name), c)
		}
	}
	for i, list := range [][]Task{m.s.Before, m.s.After} {
		group := m.n.get("jobs").get([]string{"before", "after"}[i])
		for _, t := range list {
			d.referring(m, group.get(t.Name), t.Container)
		}
	}
}

// patchesEnv reports whether a patch may give variables to containers.
func patchesEnv(s *Service) bool {
	var env func(v any) bool
	env = func(v any) bool {
		fields, _ := v.(map[string]any)
		for name, v := range fields {
			if name == "env" || name == "envFrom" || name == "enableServiceLinks" || env(v) {
				return true
			}
		}
		items, _ := v.([]any)
		return slices.ContainsFunc(items, env)
	}
	return slices.ContainsFunc(s.Patch, func(p Patch) bool { return env(p.Data) })
}

// referring is references for one container.
func (d *decoder) referring(m member, n *node, c Container) {
	if n == nil || !settled(n, "env") || !settled(n, "envFrom") || !refersToAny(c) {
		return
	}
	r := &references{d: d, service: m, container: n, values: map[string]string{}, given: given(m.s, c.EnvFrom), state: map[string]int{}}
	for _, v := range c.Env {
		r.values[v.Name] = v.Value
	}
	for _, v := range c.Env {
		r.variable(v.Name)
	}
	for _, list := range []*node{n.get("command"), n.get("args")} {
		if list.is(cue.ListKind) {
			for _, item := range list.items {
				r.text(item, inShell(n))
			}
		}
	}
}

// refersToAny reports whether a container is told of a variable at all.
func refersToAny(c Container) bool {
	refers := func(text string) bool { return strings.Contains(text, "$(") }
	return slices.ContainsFunc(c.Env, func(v EnvVar) bool { return refers(v.Value) }) || slices.ContainsFunc(c.Command, refers) || slices.ContainsFunc(c.Args, refers)
}

// inShell reports whether a shell reads what the container is told, in which $(…) is
// what a command prints.
func inShell(n *node) bool {
	first := func(list *node) string {
		if !list.is(cue.ListKind) || len(list.items) == 0 {
			return ""
		}
		return list.items[0].str()
	}
	return shell.MatchString(first(n.get("command"))) || strings.HasPrefix(first(n.get("args")), "-c")
}

// given are the variables that a container has beside those of its env.
func given(s *Service, from []EnvFrom) map[string]bool {
	all := map[string]bool{}
	for _, name := range apiServer {
		all[name] = true
	}
	for _, c := range s.Calls {
		name := strings.ToUpper(strings.ReplaceAll(c.Name, "-", "_"))
		all[name+"_HOST"], all[name+"_PORT"], all[name+"_URL"] = true, true, true
	}
	for _, f := range from {
		for _, c := range s.Config {
			for key := range c.Data {
				all[f.Prefix+key] = all[f.Prefix+key] || c.Name == f.Config
			}
		}
		for _, secret := range s.Secrets {
			for _, k := range secret.Keys {
				all[f.Prefix+k.Key] = all[f.Prefix+k.Key] || secret.Name == f.Secret
			}
		}
	}
	return all
}

// references are those in one container's texts.
type references struct {
	d         *decoder
	service   member
	container *node
	values    map[string]string // of its variables
	given     map[string]bool   // other variables that it has
	state     map[string]int    // of its variables: 1 is begun, 2 is defined
}

// variable looks at a variable after those that it refers to, which is how they come
// to be defined.
func (r *references) variable(name string) {
	if r.state[name] != 0 {
		return
	}
	r.state[name] = 1
	for _, other := range referred(r.values[name]) {
		if _, ok := r.values[other]; ok {
			r.variable(other)
		}
	}
	if at := r.container.get("env").get(name); at != nil { // not one of the service, which tells of it
		r.text(at, false)
	}
	r.state[name] = 2
}

// referred gives the names in a text, each once.
func referred(text string) []string {
	var names []string
	for _, m := range variableReference.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[0], "$(") && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// text tells of the first name in a text that is not that of a variable.
func (r *references) text(at *node, shell bool) {
	for _, name := range referred(at.str()) {
		_, own := r.values[name]
		switch {
		case r.given[name], own && r.state[name] == 2:
			continue
		case own:
			r.circle(at, name)
			return
		}
		near := nearestName(name, r.names())
		if shell && near == "" {
			continue // a command
		}
		r.unknown(at, name, near)
		return
	}
}

func (r *references) names() []string {
	all := sortedKeys(r.values)
	for name, has := range r.given {
		if has {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func (r *references) circle(at *node, name string) {
	message := fmt.Sprintf("%s refers to $(%s), which refers back to it", at.path, name)
	why := "Kubernetes replaces a name by what is defined before: it leaves this one as it is"
	if name == at.name {
		message = fmt.Sprintf("%s refers to itself", at.path)
		why = fmt.Sprintf("what the image says of %s is not known to Kubernetes: it leaves $(%s) as it is", name, name)
	}
	r.d.wrong(at, rule.UnknownVariable, message, why, fmt.Sprintf("write the value itself in place of $(%s)", name))
}

func (r *references) unknown(at *node, name, near string) {
	if !variableName.MatchString(name) {
		r.d.wrong(at, rule.UnknownVariable, at.path+" has $(…) with what is no name of a variable", "Kubernetes leaves it as it is, and no shell runs it",
			`write the value itself; in a shell, command: ["sh", "-c", "…"], it is run; $$( is the text $(`)
		return
	}
	hint := fmt.Sprintf("add it to env; $$(%s) is the text $(%s)", name, name)
	switch {
	case near != "":
		hint = fmt.Sprintf("did you mean $(%s)?", near)
	case r.service.n.get("env").get(name) != nil:
		hint = fmt.Sprintf("each container has variables of its own: add it to %s.env, too", r.container.path)
	}
	r.d.wrong(at, rule.UnknownVariable, fmt.Sprintf("%s refers to the variable %s, which %s does not have", at.path, name, r.container.path),
		fmt.Sprintf("Kubernetes leaves $(%s) as it is", name), hint)
}
