package openapi

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/internal/nearest"
	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// walk goes through one object.
type walk struct {
	model       *model
	definitions definitions
	number      int // of the object
	object      *unstructured.Unstructured
	path        Path
	found       []Finding

	// lenient is set in a status: nobody writes one, but an object that was read
	// from a cluster has one, and the API server drops it.
	lenient bool
}

// report adds a finding at the place where the walk is.
func (w *walk) report(rule, message, why, hint string) {
	w.reportAt(slices.Clone(w.path), rule, message, why, hint)
}

func (w *walk) reportAt(path Path, rule, message, why, hint string) {
	w.found = append(w.found, Finding{
		Object: w.number, Path: path, Rule: rule, Severity: severityOf(rule),
		Message: message, Why: why, Hint: hint,
	})
}

func severityOf(rule string) Severity {
	switch rule {
	case DeprecatedAPI, OptionalAPI, UncheckedKind:
		return Warning
	}
	return Error
}

func (w *walk) in(s Step, f func()) {
	w.path = append(w.path, s)
	f()
	w.path = w.path[:len(w.path)-1]
}

// builtin checks an object against its built-in kind.
func (w *walk) builtin(k *table.Kind) {
	w.structure(k.Def, w.object.Object)
	w.named()
}

// named checks that the object has a name: its schema does not ask for one.
func (w *walk) named() {
	metadata, ok := w.object.Object["metadata"].(map[string]any)
	if !ok && w.object.Object["metadata"] != nil {
		return // told as a wrong type
	}
	for _, key := range []string{"name", "generateName"} {
		if v := metadata[key]; v != nil && v != "" {
			return
		}
	}
	w.reportAt(Path{{Name: "metadata"}, {Name: "name"}}, MissingField, "the object has no name", "", "")
}

func (w *walk) structure(def int, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		w.wrongType("an object", v)
		return
	}
	s := w.model.structure(def)
	for name, value := range m {
		f := s.fields[name]
		switch {
		case f == nil:
			w.in(Step{Name: name}, func() { w.unknownField(name, s, m) })
		case value == nil: // as if it were not there
		default:
			w.path = append(w.path, Step{Name: name})
			before := w.lenient
			w.lenient = before || len(w.path) == 1 && name == "status"
			w.value(&f.Type, value)
			w.lenient = before
			w.path = w.path[:len(w.path)-1]
		}
	}
	if w.lenient {
		return
	}
	for _, name := range s.required {
		if empty(m[name]) && !s.fields[name].Type.Always {
			w.in(Step{Name: name}, func() {
				w.report(MissingField, fmt.Sprintf("the field %q is missing", name), "", "")
			})
		}
	}
	for _, name := range s.always {
		if m[name] == nil {
			w.in(Step{Name: name}, func() { w.structure(s.fields[name].Type.Def, map[string]any{}) })
		}
	}
}

// empty says what the API server cannot tell from a field that is left out.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	}
	return false
}

func (w *walk) unknownField(name string, s *structure, m map[string]any) {
	if in, ok := s.others[name]; ok {
		w.report(UnknownField, fmt.Sprintf("Kubernetes %s has no field %q here", w.model.version(), name),
			"it is known "+w.model.since(in), "")
		return
	}
	w.report(UnknownField, fmt.Sprintf("unknown field %q", name), "", nearestField(name, s.names, m))
}

// nearestField says what may be meant by the field name among the fields of m.
func nearestField(name string, names []string, m map[string]any) string {
	free := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return m[n] != nil })
	if n := nearest.Name(name, free); n != "" {
		return "write " + n
	}
	switch {
	case len(names) == 0:
		return ""
	case len(names) <= 12:
		return "the fields here are " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
	}
	return ""
}

func (w *walk) value(t *table.Type, v any) {
	switch t.Shape {
	case table.Any:
	case table.Object:
		if _, ok := v.(map[string]any); !ok {
			w.wrongType("an object", v)
		}
	case table.Struct:
		w.structure(t.Def, v)
	case table.Map:
		m, ok := v.(map[string]any)
		if !ok {
			w.wrongType("an object", v)
			return
		}
		for name, value := range m {
			if value == nil {
				continue
			}
			w.path = append(w.path, Step{Name: name, Entry: true})
			w.value(t.Elem, value)
			w.path = w.path[:len(w.path)-1]
		}
	case table.List:
		w.list(t, v)
	default:
		w.scalar(t, v)
	}
}

func (w *walk) list(t *table.Type, v any) {
	l, ok := v.([]any)
	if !ok {
		w.wrongType("a list", v)
		return
	}
	for i, value := range l {
		w.path = append(w.path, Step{Index: i})
		switch {
		case value != nil:
			w.value(t.Elem, value)
		case t.Order == table.Keyed: // elsewhere the API server takes it as empty
			w.wrongType("an object", nil)
		}
		w.path = w.path[:len(w.path)-1]
	}
	if len(l) < 2 || w.lenient {
		return
	}
	switch t.Order {
	case table.Set:
		w.distinct(l, func(x any) (string, bool) { return fmt.Sprintf("%T %v", x, x), true }, "the value %v is there twice")
	case table.Keyed:
		w.distinct(l, func(x any) (string, bool) { return w.key(t, x) }, "there are two elements with %s")
	}
}

// distinct reports elements whose key an earlier one has.
func (w *walk) distinct(l []any, key func(any) (string, bool), message string) {
	first := make(map[string]int, len(l))
	for i, x := range l {
		k, ok := key(x)
		if !ok {
			continue
		}
		j, twice := first[k]
		if !twice {
			first[k] = i
			continue
		}
		what := any(k)
		if _, isMap := x.(map[string]any); !isMap {
			what = x
		}
		w.in(Step{Index: i}, func() {
			w.report(DuplicateKey, fmt.Sprintf(message, what),
				fmt.Sprintf("the other one is %s", append(slices.Clone(w.path[:len(w.path)-1]), Step{Index: j})), "keep one of them")
		})
	}
}

// key gives what tells the elements of a keyed list apart, in words; false when it
// is not complete, which is reported elsewhere.
func (w *walk) key(t *table.Type, x any) (string, bool) {
	m, ok := x.(map[string]any)
	if !ok || t.Elem.Shape != table.Struct {
		return "", false
	}
	s := w.model.structure(t.Elem.Def)
	parts := make([]string, 0, len(t.Keys))
	for _, k := range t.Keys {
		v, given := m[k]
		if f := s.fields[k]; !given && f != nil && f.Type.Default != "" {
			v = f.Type.Default
		}
		switch v.(type) {
		case map[string]any, []any:
			return "", false
		case nil:
			// A key without a default may be left out, and is then a value of its own.
			parts = append(parts, "no "+k)
		default:
			parts = append(parts, fmt.Sprintf("%s %v", k, v))
		}
	}
	return strings.Join(parts, ", "), true
}
