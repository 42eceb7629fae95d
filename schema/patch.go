package schema

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Patch gives an object as a service's patches of its kind make it: they are
// unified onto it, so they add what it does not say. All that it says otherwise is in
// an error of type Errors, with the places in the patches. A list whose items have a
// name is patched by a struct of items by name, which adds those that it lacks. Without
// a patch the object is given as it is. Values are as in Object.
func (a *App) Patch(service, kind string, object map[string]any) (map[string]any, error) {
	s := a.Service(service)
	if s == nil {
		return object, nil
	}
	meta, _ := object["metadata"].(map[string]any)
	var conflicts Errors
	for _, p := range s.Patch {
		if p.Kind != kind || p.Name != "" && p.Name != meta["name"] {
			continue
		}
		u := unifier{app: a}
		patched := u.unify(p.Path, kind, object, p.Data)
		if u.conflicts != nil {
			conflicts = append(conflicts, u.conflicts...)
			continue
		}
		object = patched.(map[string]any)
	}
	if conflicts != nil {
		return nil, conflicts.sorted()
	}
	return object, nil
}

// patches decodes those of a service.
func patches(n *node) []Patch {
	var list []Patch
	for _, f := range sorted(n) {
		if data, ok := f.data().(map[string]any); ok && f.is(cue.StructKind) {
			kind, name, _ := strings.Cut(f.name, "/")
			list = append(list, Patch{Kind: kind, Name: name, Path: f.path, Data: data})
		}
	}
	return list
}

// made are the kinds of objects that shipit makes of services.
var made = []string{
	Deployment, StatefulSet, DaemonSet, Job, CronJob, "Service", "ServiceAccount", "ConfigMap", "Secret", "ExternalSecret", "PersistentVolumeClaim",
	"Ingress", "HTTPRoute", "NetworkPolicy", "HorizontalPodAutoscaler", "VerticalPodAutoscaler", "PodDisruptionBudget", "Role", "RoleBinding",
	"ServiceMonitor", "PodMonitor",
}

// patched checks that a service's patches are of objects that it has.
func (d *decoder) patched(n *node, s *Service) {
	for _, p := range s.Patch {
		at := n.get("patch").get(p.Path[strings.LastIndex(p.Path, ".patch.")+len(".patch."):])
		switch {
		case !slices.Contains(made, p.Kind):
			hint := "a raw object is written in the App's objects"
			if near := nearestName(p.Kind, made); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.wrong(at, rule.PatchNothing, fmt.Sprintf("%s patches a kind that shipit does not make", at.path), "", hint)
		case slices.Contains([]string{Deployment, StatefulSet, DaemonSet, CronJob}, p.Kind) && p.Kind != s.Workload && settled(n, "workload"):
			d.against(at, n.get("workload"), rule.PatchNothing, fmt.Sprintf("%s patches nothing: %s is a %s", at.path, n.path, s.Workload), "", "write patch: "+s.Workload+": {…}")
		}
	}
}

// unifier puts patches into objects.
type unifier struct {
	app       *App
	conflicts Errors // where a patch says something else
}

// unify gives value with all of patch in it, as far as they agree. Neither is changed.
// at is where the patch is, and in where the value is in its object.
func (u *unifier) unify(at, in string, value, patch any) any {
	switch p := patch.(type) {
	case map[string]any:
		switch v := value.(type) {
		case map[string]any:
			return u.fields(at, in, v, p)
		case []any:
			if named(v) {
				return u.items(at, in, v, p)
			}
		}
	case []any:
		if v, ok := value.([]any); ok && len(v) == len(p) {
			list := make([]any, len(v))
			for i := range v {
				index := strconv.Itoa(i)
				list[i] = u.unify(language.Join(at, index), language.Join(in, index), v[i], p[i])
			}
			return list
		}
	}
	if !reflect.DeepEqual(value, patch) && (number(value) == "" || number(value) != number(patch)) {
		u.contradicts(at, in, value, patch)
	}
	return value
}

func (u *unifier) fields(at, in string, value, patch map[string]any) map[string]any {
	fields := maps.Clone(value)
	for _, name := range sortedKeys(patch) {
		have, ok := value[name]
		if !ok {
			fields[name] = patch[name]
			continue
		}
		fields[name] = u.unify(language.Join(at, name), language.Join(in, name), have, patch[name])
	}
	return fields
}

func (u *unifier) items(at, in string, value []any, patch map[string]any) []any {
	items := slices.Clone(value)
	for _, name := range sortedKeys(patch) {
		at, in := language.Join(at, name), language.Join(in, name)
		i := slices.IndexFunc(items, func(item any) bool { return item.(map[string]any)["name"] == name })
		if i >= 0 {
			items[i] = u.unify(at, in, items[i], patch[name])
			continue
		}
		item, ok := patch[name].(map[string]any)
		if !ok {
			u.contradicts(at, in, map[string]any{}, patch[name])
			continue
		}
		item = maps.Clone(item)
		item["name"] = name
		items = append(items, item)
	}
	return items
}

func (u *unifier) contradicts(at, in string, value, patch any) {
	e := &Error{
		Rule: rule.PatchConflict, Pos: u.app.Position(at), Path: at,
		Message: fmt.Sprintf("%s is %s, but shipit makes it %s", at, sketch(patch), sketch(value)),
		Why:     "a patch is combined with the object; it never overrides",
		Hint:    "say it with the words of the service, or patch another field",
	}
	if v, ok := value.([]any); ok {
		e.Message = fmt.Sprintf("%s cannot be combined with the list that shipit makes", at)
		e.Why, e.Hint = fmt.Sprintf("%s has %s, and a list has its length", in, numberOf(strconv.Itoa(len(v)), "item")), ""
		if named(v) {
			e.Hint = fmt.Sprintf("write the items by name, as a struct: %s: {…}", v[0].(map[string]any)["name"])
		}
	}
	u.conflicts = append(u.conflicts, ruled(e))
}

// named reports whether all items of a list have a name.
func named(list []any) bool {
	for _, item := range list {
		m, _ := item.(map[string]any)
		if name, _ := m["name"].(string); name == "" {
			return false
		}
	}
	return len(list) > 0
}

// number gives a number as text, whatever type holds it, or "".
func number(v any) string {
	switch v := v.(type) {
	case int64, int32, int:
		return fmt.Sprint(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// sketch says what a value of an object is.
func sketch(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "a struct"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(v)
	default:
		return fmt.Sprint(v)
	}
}
