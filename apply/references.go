package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reference is a ConfigMap or Secret, or one key of it, that a container cannot
// start without.
type reference struct {
	kind, name, key string // no key means the whole object
	field           string // of the service: "env.PASSWORD", "volumes.db"
}

// references lists what the pod needs, by field, without what is optional, and
// without volumes that no container mounts.
func references(spec *corev1.PodSpec) []reference {
	var out []reference
	add := func(kind, name, key, field string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			out = append(out, reference{kind, name, key, field})
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

// held is what is known of an object that references point to.
type held struct {
	object *unstructured.Unstructured // nil when it is not there
	err    error                      // why that is not known
}

// heldNow asks for one object that this deploy does not make.
func (c *Client) heldNow(ctx context.Context, kind, name string) held {
	ref := Ref{APIVersion: "v1", Kind: kind, Namespace: c.owner.Namespace, Name: name}
	r, err := c.resource(ref)
	if err != nil {
		return held{err: err}
	}
	o, err := r.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return held{}
	}
	return held{object: o, err: c.typed(err, ref, nil)}
}

// missing says what r does not find, nil if all is there.
func (r reference) missing(h held, namespace string) *Diagnosis {
	d := &Diagnosis{Code: CodeConfigMissing, Field: r.field}
	if h.object == nil {
		d.Message = fmt.Sprintf("%s %s does not exist in namespace %s", r.kind, r.name, namespace)
		if r.key != "" {
			d.Message += fmt.Sprintf(" (its key %s is wanted)", r.key)
		}
		d.Hint = "create it first, or name one that is there"
		return d
	}
	if r.key == "" {
		return nil
	}
	keys := map[string]bool{}
	for _, field := range []string{"data", "binaryData", "stringData"} {
		m, _, _ := unstructured.NestedMap(h.object.Object, field)
		for k := range m {
			keys[k] = true
		}
	}
	if keys[r.key] {
		return nil
	}
	d.Message = fmt.Sprintf("%s %s in namespace %s has no key %s", r.kind, r.name, namespace, r.key)
	if len(keys) > 0 {
		d.Hint = "its keys are " + strings.Join(slices.Sorted(maps.Keys(keys)), ", ")
	} else {
		d.Hint = "it is empty"
	}
	return d
}
