package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Reference is a ConfigMap or Secret, or one key of it, that a container cannot
// start without.
type Reference struct {
	Kind  string // "ConfigMap" or "Secret"
	Name  string
	Key   string // "" is the whole object
	Field string // of the service: "env.PASSWORD", "volumes.db"
}

// References lists what the pod needs, by field, without what is optional, and
// without volumes that no container mounts.
func References(spec *corev1.PodSpec) []Reference {
	var out []Reference
	add := func(kind, name, key, field string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			out = append(out, Reference{kind, name, key, field})
		}
	}
	mounted := map[string]bool{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
		for _, v := range c.Env {
			if v.ValueFrom == nil {
				continue
			}
			if r := v.ValueFrom.SecretKeyRef; r != nil {
				add("Secret", r.Name, r.Key, "env."+v.Name, r.Optional)
			}
			if r := v.ValueFrom.ConfigMapKeyRef; r != nil {
				add("ConfigMap", r.Name, r.Key, "env."+v.Name, r.Optional)
			}
		}
		for _, from := range c.EnvFrom {
			if r := from.SecretRef; r != nil {
				add("Secret", r.Name, "", "env", r.Optional)
			}
			if r := from.ConfigMapRef; r != nil {
				add("ConfigMap", r.Name, "", "env", r.Optional)
			}
		}
	}
	items := func(kind, name, field string, optional *bool, paths []corev1.KeyToPath) {
		if len(paths) == 0 {
			add(kind, name, "", field, optional)
		}
		for _, p := range paths {
			add(kind, name, p.Key, field, optional)
		}
	}
	for _, v := range spec.Volumes {
		if !mounted[v.Name] {
			continue
		}
		field := "volumes." + v.Name
		if s := v.Secret; s != nil {
			items("Secret", s.SecretName, field, s.Optional, s.Items)
		}
		if m := v.ConfigMap; m != nil {
			items("ConfigMap", m.Name, field, m.Optional, m.Items)
		}
		if v.Projected == nil {
			continue
		}
		for _, from := range v.Projected.Sources {
			if s := from.Secret; s != nil {
				items("Secret", s.Name, field, s.Optional, s.Items)
			}
			if m := from.ConfigMap; m != nil {
				items("ConfigMap", m.Name, field, m.Optional, m.Items)
			}
		}
	}
	return out
}

// Missing says what references, one or more, to one object of the namespace do not
// find, nil if all is there. The object is nil when it is not there.
func Missing(refs []Reference, object *unstructured.Unstructured, namespace string) *Diagnosis {
	first := refs[0]
	present := map[string]bool{}
	if object != nil {
		for _, field := range []string{"data", "binaryData", "stringData"} {
			m, _, _ := unstructured.NestedMap(object.Object, field)
			for k := range m {
				present[k] = true
			}
		}
	}
	var keys []string
	var field string
	for _, r := range refs {
		if r.Key != "" && !present[r.Key] && !slices.Contains(keys, r.Key) {
			keys = append(keys, r.Key)
			field = cmp.Or(field, r.Field)
		}
	}
	plural := "key "
	if len(keys) > 1 {
		plural = "keys "
	}
	wanted := plural + strings.Join(keys, ", ")
	d := &Diagnosis{Code: CodeConfigMissing, Field: first.Field}
	switch {
	case object == nil:
		d.Message = fmt.Sprintf("%s %s does not exist in namespace %s", first.Kind, first.Name, namespace)
		if len(keys) > 0 {
			d.Message += fmt.Sprintf(" (its %s %s wanted)", wanted, map[bool]string{false: "is", true: "are"}[len(keys) > 1])
		}
		d.Hint = "create it first, or name one that is there"
	case len(keys) == 0:
		return nil
	default:
		d.Field = field
		d.Message = fmt.Sprintf("%s %s in namespace %s has no %s", first.Kind, first.Name, namespace, wanted)
		d.Hint = "it is empty"
		if len(present) > 0 {
			d.Hint = "its keys are " + strings.Join(slices.Sorted(maps.Keys(present)), ", ")
		}
	}
	return d
}
