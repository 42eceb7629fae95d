package apply

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// dryRun asks what applying the change would give. A controller may have written
// the object since it was read (a status, an annotation): then it is read again,
// so that the answer is compared with what it was made from.
func (c *Client) dryRun(ctx context.Context, r dynamic.ResourceInterface, ch *change) (*unstructured.Unstructured, error) {
	for range 3 {
		dry, err := c.tryOnce(ctx, r, ch)
		if err != nil || dry.GetResourceVersion() == ch.live.GetResourceVersion() {
			return dry, err
		}
		live, err := r.Get(ctx, ch.ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		ch.live = live
		c.decide(ch)
	}
	return c.tryOnce(ctx, r, ch)
}

func (c *Client) tryOnce(ctx context.Context, r dynamic.ResourceInterface, ch *change) (*unstructured.Unstructured, error) {
	options := metav1.ApplyOptions{FieldManager: c.owner.Manager(), Force: ch.force || ch.lost, DryRun: []string{metav1.DryRunAll}}
	dry, err := r.Apply(ctx, ch.ref.Name, ch.asked(), options)
	if ch.onlyReplicas(err) {
		options.Force = true
		dry, err = r.Apply(ctx, ch.ref.Name, ch.asked(), options)
	}
	return dry, err
}

// sameObject reports whether a dry run's answer is what is there already: equal
// but for what every write may touch, and owned alike, in the same version.
func sameObject(dry, live *unstructured.Unstructured, manager string) bool {
	if a, b := entry(dry, manager), entry(live, manager); a != nil && b != nil && a.APIVersion != b.APIVersion {
		return false
	}
	a, okA := ownedFields(dry, manager)
	b, okB := ownedFields(live, manager)
	if okA != okB || okA && !a.Equals(b) {
		return false
	}
	return equality.Semantic.DeepEqual(content(dry), content(live))
}

// content is o without the metadata that the server keeps, and without status.
func content(o *unstructured.Unstructured) map[string]any {
	out := make(map[string]any, len(o.Object))
	for k, v := range o.Object {
		switch k {
		case "status":
		case "metadata":
			m, _ := v.(map[string]any)
			meta := make(map[string]any, len(m))
			for k, v := range m {
				switch k {
				case "managedFields", "resourceVersion", "generation", "creationTimestamp", "uid":
				default:
					meta[k] = v
				}
			}
			out[k] = meta
		default:
			out[k] = v
		}
	}
	return out
}

// changedFields keeps of the candidates those in which a dry run's answer
// differs from what is there, as server-side apply writes them.
func changedFields(candidates []fieldpath.Path, dry, live *unstructured.Unstructured) []string {
	var out []string
	for _, p := range candidates {
		a, okA := valueAt(dry.Object, p)
		b, okB := valueAt(live.Object, p)
		if okA != okB || !equality.Semantic.DeepEqual(a, b) {
			out = append(out, namedItems(p, a, b)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// namedItems returns p, or when there are lists of things with names at p, the
// items in which they differ: not all of a container's variables changed.
func namedItems(p fieldpath.Path, a, b any) []string {
	before, okA := byName(a)
	after, okB := byName(b)
	if !okA || !okB {
		return []string{p.String()}
	}
	var out []string
	item := func(name string) string {
		return append(p.Copy(), fieldpath.KeyElementByFields("name", name)).String()
	}
	for name, v := range before {
		if w, ok := after[name]; !ok || !equality.Semantic.DeepEqual(v, w) {
			out = append(out, item(name))
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			out = append(out, item(name))
		}
	}
	if len(out) == 0 {
		return []string{p.String()} // their order
	}
	return out
}

func byName(v any) (map[string]any, bool) {
	items, ok := v.([]any)
	if !ok && v != nil {
		return nil, false
	}
	out := make(map[string]any, len(items))
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, false
		}
		name, ok := m["name"].(string)
		if !ok {
			return nil, false
		}
		out[name] = m
	}
	return out, true
}

// valueAt returns the value at p.
func valueAt(v any, p fieldpath.Path) (any, bool) {
	for _, pe := range p {
		switch {
		case pe.FieldName != nil:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[*pe.FieldName]; !ok {
				return nil, false
			}
		case pe.Index != nil:
			l, ok := v.([]any)
			if !ok || *pe.Index < 0 || *pe.Index >= len(l) {
				return nil, false
			}
			v = l[*pe.Index]
		default:
			l, ok := v.([]any)
			if !ok {
				return nil, false
			}
			i := indexIn(l, pe)
			if i < 0 {
				return nil, false
			}
			v = l[i]
		}
	}
	return v, true
}

// removeAt removes the field at p, and reports whether it is one: elements of
// lists are not removed.
func removeAt(o map[string]any, p fieldpath.Path) bool {
	last := p[len(p)-1].FieldName
	parent, ok := valueAt(o, p[:len(p)-1])
	m, isMap := parent.(map[string]any)
	if last == nil || !ok || !isMap {
		return false
	}
	delete(m, *last)
	return true
}
