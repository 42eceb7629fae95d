package openapi

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// custom checks an object against its definition, in the API server's order:
// unknown fields, defaults, the schema, lists, and when all that is well the CEL
// rules.
func (w *walk) custom(k *customKind) {
	w.metadata(w.object.Object)
	w.named()
	w.unknownIn(k.structural, w.object.Object)
	object := plain(w.object.Object).(map[string]any)
	if k.status {
		delete(object, "status")
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, k.structural)
	defaulting.Default(object, k.structural)

	errs := validation.ValidateCustomResource(nil, object, k.validator)
	errs = append(errs, objectmeta.Validate(nil, object, k.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	for _, e := range errs {
		w.reportError(e, ruleOf(e.Type))
	}
	if rules := k.cel(); rules != nil && !slices.ContainsFunc(errs, blocks) {
		broken, _ := rules.Validate(context.Background(), nil, k.structural, object, nil, celconfig.RuntimeCELCostBudget)
		for _, e := range broken {
			w.reportError(e, BrokenRule)
		}
	}
}

// metadata checks an object's metadata, which no definition describes, as
// Kubernetes' own.
func (w *walk) metadata(object map[string]any) {
	m, ok := w.model.kinds[gvk{"", "v1", "ConfigMap"}]
	if value := object["metadata"]; ok && value != nil {
		f := w.model.structure(w.model.reader.Kinds[m].Def).fields["metadata"]
		w.in(Step{Name: "metadata"}, func() { w.value(&f.Type, value) })
	}
}

// blocks reports whether the API server evaluates no rules because of e.
func blocks(e *field.Error) bool {
	switch e.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong,
		field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}

func ruleOf(t field.ErrorType) string {
	switch t {
	case field.ErrorTypeRequired:
		return MissingField
	case field.ErrorTypeTypeInvalid:
		return WrongType
	case field.ErrorTypeNotSupported:
		return UnknownValue
	case field.ErrorTypeDuplicate:
		return DuplicateKey
	}
	return InvalidValue
}

// reportError tells of an error of the API server's code, without the value: it
// may be large, or a secret.
func (w *walk) reportError(e *field.Error, rule string) {
	path := pathOf(w.object.Object, e.Field)
	message := e.Detail
	// "\"spec.one\" must validate one and only one schema (oneOf)"
	if quoted, after, ok := strings.Cut(message, "\" must validate "); ok && len(path) == 0 {
		path = pathOf(w.object.Object, strings.TrimPrefix(quoted, "\""))
		message = "this must validate " + after
	}
	// "spec.size in body must be of type integer: \"string\""
	if _, after, ok := strings.Cut(message, " in body "); ok {
		message = "this " + after
		if must, is, ok := strings.Cut(after, ": \""); ok {
			message = "this " + must + ", but is " + strings.TrimSuffix(is, "\"")
		}
	}
	switch {
	case rule == MissingField && len(path) > 0:
		message = fmt.Sprintf("the field %q is missing", path[len(path)-1].Name)
	case rule == DuplicateKey:
		message = "an element like this one is there already"
	case rule == UnknownValue:
		message = fmt.Sprintf("%q is no value of this field", fmt.Sprint(e.BadValue))
	case message == "":
		message = string(e.Type)
	}
	why, hint := "", ""
	if values, ok := strings.CutPrefix(e.Detail, "supported values: "); ok && rule == UnknownValue {
		values = strings.ReplaceAll(values, "\"", "")
		why = "it may be " + values
		if n := nearest.Name(fmt.Sprint(e.BadValue), strings.Split(values, ", ")); n != "" {
			hint = "write " + n
		}
	}
	w.reportAt(path, rule, message, why, hint)
}

// unknownIn reports the fields of v that its schema does not have. The API server
// drops them, or with strict validation refuses the object.
func (w *walk) unknownIn(s *structuralschema.Structural, v any) {
	if s == nil {
		return
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			w.in(Step{Index: i}, func() { w.unknownIn(s.Items, x) })
		}
	case map[string]any:
		if s.XEmbeddedResource && len(w.path) > 0 {
			w.metadata(v)
		}
		for name, x := range v {
			w.unknownEntry(s, v, name, x)
		}
	}
}

func (w *walk) unknownEntry(s *structuralschema.Structural, m map[string]any, name string, v any) {
	if len(w.path) == 0 || s.XEmbeddedResource {
		switch name {
		case "apiVersion", "kind", "metadata":
			return // of every object
		}
	}
	if p, ok := s.Properties[name]; ok {
		w.in(Step{Name: name}, func() { w.unknownIn(&p, v) })
		return
	}
	switch a := s.AdditionalProperties; {
	case a != nil && a.Structural != nil:
		w.in(Step{Name: name, Entry: true}, func() { w.unknownIn(a.Structural, v) })
	case a != nil && a.Bool, s.XPreserveUnknownFields:
	default:
		names := make([]string, 0, len(s.Properties))
		for n := range s.Properties {
			names = append(names, n)
		}
		slices.Sort(names)
		w.in(Step{Name: name}, func() {
			w.report(UnknownField, fmt.Sprintf("unknown field %q", name), "", nearestField(name, names, m))
		})
	}
}

// plain copies v, with the types that the API server's code expects of numbers.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	case nil, string, bool, int64:
		return v
	}
	f, ok := number(v)
	switch {
	case !ok:
		return fmt.Sprint(v)
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return int64(f)
	}
	return f
}

// pathOf reads a path as the API server's code writes it, with the object as a
// guide: the name of a field may have dots in it.
func pathOf(object any, text string) Path {
	var path Path
	at := object
	for text != "" && text != "<nil>" {
		step, rest := nextStep(at, strings.TrimPrefix(text, "."))
		path = append(path, step)
		switch v := at.(type) {
		case map[string]any:
			at = v[step.Name]
		case []any:
			at = nil
			if step.Name == "" && step.Index < len(v) {
				at = v[step.Index]
			}
		}
		text = rest
	}
	return path
}

func nextStep(at any, text string) (Step, string) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		key, rest, _ := strings.Cut(inner, "]")
		if _, isMap := at.(map[string]any); !isMap {
			if i, err := strconv.Atoi(key); err == nil && i >= 0 {
				return Step{Index: i}, rest
			}
		}
		return Step{Name: key, Entry: true}, rest
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	if m, ok := at.(map[string]any); ok {
		for name := range m {
			if len(name) > end && strings.HasPrefix(text, name) && (len(name) == len(text) || strings.ContainsRune(".[", rune(text[len(name)]))) {
				end = len(name)
			}
		}
	}
	if end == 0 {
		end = len(text) // no field is called so: give what is left as it is
	}
	return Step{Name: text[:end]}, text[end:]
}
