package render

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shipit-dev/shipit/schema"
)

// env is a container's environment, sorted by name as far as they do not refer to
// each other: what the user wrote, and of the variables of calls those that the
// user did not. What is from whole configs
// and secrets comes beside it, and gives way to it.
func (s *service) env(at string, c schema.Container) ([]corev1.EnvVar, []corev1.EnvFromSource, error) {
	vars := make([]corev1.EnvVar, 0, len(c.Env)+3*len(s.Calls))
	for _, e := range c.Env {
		v, err := s.envVar(e)
		if err != nil {
			return nil, nil, s.wrong(at+"env."+e.Name, err)
		}
		vars = append(vars, v)
	}
	for _, c := range s.Calls {
		vars = append(vars, s.callVars(c)...)
	}
	var from []corev1.EnvFromSource
	for _, f := range c.EnvFrom {
		whole, single, err := s.envFrom(f)
		if err != nil {
			return nil, nil, s.wrong(at+"envFrom", err)
		}
		from = append(from, whole...)
		vars = append(vars, single...)
	}
	slices.SortStableFunc(vars, func(a, b corev1.EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	vars = slices.CompactFunc(vars, func(a, b corev1.EnvVar) bool { return a.Name == b.Name })
	return afterReferences(vars), from, nil
}

// reference is $(NAME) in the value of a variable; $$ is a single $.
var reference = regexp.MustCompile(`\$\$|\$\(([^)]+)\)`)

// afterReferences puts each variable behind those that its value refers to, as
// Kubernetes replaces $(NAME) only by what is defined before. Those that refer to
// each other in a circle stay as they are.
func afterReferences(vars []corev1.EnvVar) []corev1.EnvVar {
	byName := make(map[string]corev1.EnvVar, len(vars))
	for _, v := range vars {
		byName[v.Name] = v
	}
	ordered := make([]corev1.EnvVar, 0, len(vars))
	begun := map[string]bool{}
	var add func(v corev1.EnvVar)
	add = func(v corev1.EnvVar) {
		if begun[v.Name] {
			return
		}
		begun[v.Name] = true
		for _, m := range reference.FindAllStringSubmatch(v.Value, -1) {
			if other, ok := byName[m[1]]; ok {
				add(other)
			}
		}
		ordered = append(ordered, v)
	}
	for _, v := range vars {
		add(v)
	}
	return ordered
}

// envFrom makes variables of all keys of a config or a secret. Keys of Secrets
// that exist under other names become variables one by one.
func (s *service) envFrom(f schema.EnvFrom) (whole []corev1.EnvFromSource, single []corev1.EnvVar, err error) {
	if f.Config != "" {
		name, err := s.configMap(f.Config)
		return []corev1.EnvFromSource{{
			Prefix:       f.Prefix,
			ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
		}}, nil, err
	}
	secret, err := s.secretOf(f.Secret)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range s.secretObjects(secret.Name) {
		whole = append(whole, corev1.EnvFromSource{
			Prefix:    f.Prefix,
			SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
		})
	}
	for _, k := range secret.Keys {
		if k.Existing == nil {
			continue
		}
		v, err := s.envVar(schema.EnvVar{Name: f.Prefix + k.Key, Secret: &schema.KeyRef{Name: secret.Name, Key: k.Key}})
		if err != nil {
			return nil, nil, err
		}
		single = append(single, v)
	}
	return whole, single, nil
}

// envVar writes out apiVersion, the server's default: the server owns a
// reference whole, and would add it.
func (s *service) envVar(e schema.EnvVar) (corev1.EnvVar, error) {
	from := &corev1.EnvVarSource{}
	switch {
	case e.Config != nil:
		name, err := s.configMap(e.Config.Name)
		if err != nil {
			return corev1.EnvVar{}, err
		}
		from.ConfigMapKeyRef = &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: e.Config.Key}
	case e.Secret != nil:
		ref, err := s.secretKey(*e.Secret)
		if err != nil {
			return corev1.EnvVar{}, err
		}
		from.SecretKeyRef = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key}
	case e.Field != "":
		from.FieldRef = &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: e.Field}
	default:
		return corev1.EnvVar{Name: e.Name, Value: e.Value}, nil
	}
	return corev1.EnvVar{Name: e.Name, ValueFrom: from}, nil
}

// secretKey gives the Secret in the namespace, and its key, that a key of one of
// the service's secrets is.
func (s *service) secretKey(ref schema.KeyRef) (schema.KeyRef, error) {
	secret, err := s.secretOf(ref.Name)
	if err != nil {
		return schema.KeyRef{}, err
	}
	i := slices.IndexFunc(secret.Keys, func(k schema.SecretKey) bool { return k.Key == ref.Key })
	switch {
	case i < 0:
		return schema.KeyRef{}, fmt.Errorf("the secret %q has no key %q", ref.Name, ref.Key)
	case secret.Keys[i].Existing != nil:
		return *secret.Keys[i].Existing, nil
	case secret.Keys[i].External != nil:
		return schema.KeyRef{Name: s.externalNames[ref.Name], Key: ref.Key}, nil
	}
	return schema.KeyRef{Name: s.secretNames[ref.Name], Key: ref.Key}, nil
}

// callVars say where a call goes to: NAME_URL, NAME_HOST and NAME_PORT. A range
// of addresses is no place to connect to, and has none.
func (s *service) callVars(c schema.Call) []corev1.EnvVar {
	host := cmp.Or(c.Service, c.Host)
	if ns := s.calledNamespace(c); c.Service != "" && ns != namespace(s.app) {
		host += "." + ns + ".svc"
	}
	if host == "" {
		return nil
	}
	name := strings.ToUpper(strings.ReplaceAll(c.Name, "-", "_"))
	port := strconv.Itoa(int(c.Port))
	authority := net.JoinHostPort(host, port)
	// The default port of a scheme is left out, as everywhere: some servers and
	// signatures take "host:443" for another host.
	if c.Scheme == "http" && c.Port == 80 || c.Scheme == "https" && c.Port == 443 {
		authority = host
	}
	return []corev1.EnvVar{
		{Name: name + "_HOST", Value: host},
		{Name: name + "_PORT", Value: port},
		{Name: name + "_URL", Value: cmp.Or(c.Scheme, "tcp") + "://" + authority},
	}
}
