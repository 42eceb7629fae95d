package render

import (
	"encoding/base64"

	"fmt"
	"reflect"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/json"
)

// plain gives a typed value of Kubernetes as those of JSON: maps of strings, lists,
// strings, int64, float64, bool and nil. It is what runtime.DefaultUnstructuredConverter
// gives, which takes longer for the first object than this for a thousand: that copies
// a table of all fields for each that it has not seen.
func plain(v reflect.Value) (any, error) {
	t := v.Type()
	switch {
	case t == intOrString:
		i := v.Interface().(intstr.IntOrString)
		if i.Type == intstr.Int {
			return int64(i.IntVal), nil
		}
		return i.StrVal, nil
	case t.Implements(converter):
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, nil
		}
		return v.Interface().(unstructuredConverter).ToUnstructured(), nil
	case t.Implements(marshaler) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(marshaler):
		return viaJSON(v)
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		fields := map[string]any{}
		return fields, plainFields(v, fields)
	case reflect.Map:
		return plainMap(v)
	case reflect.Slice:
		return plainList(v)
	}
	return nil, fmt.Errorf("a %s cannot be written", t)
}

type unstructuredConverter interface{ ToUnstructured() any }

var (
	intOrString = reflect.TypeFor[intstr.IntOrString]()
	converter   = reflect.TypeFor[unstructuredConverter]()
	marshaler   = reflect.TypeFor[interface{ MarshalJSON() ([]byte, error) }]()
)

func viaJSON(v reflect.Value) (out any, err error) {
	data, err := json.Marshal(v.Interface())
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	return out, err
}

func plainMap(v reflect.Value) (any, error) {
	if v.IsNil() {
		return nil, nil
	}
	fields := make(map[string]any, v.Len())
	for i := v.MapRange(); i.Next(); {
		value, err := plain(i.Value())
		if err != nil {
			return nil, err
		}
		fields[i.Key().String()] = value
	}
	return fields, nil
}

func plainList(v reflect.Value) (any, error) {
	switch {
	case v.IsNil():
		return nil, nil
	case v.Type().Elem().Kind() == reflect.Uint8:
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	}
	list := make([]any, v.Len())
	for i := range list {
		value, err := plain(v.Index(i))
		if err != nil {
			return nil, err
		}
		list[i] = value
	}
	return list, nil
}

// plainFields adds the fields of a struct.
func plainFields(v reflect.Value, to map[string]any) error {
	for _, f := range fieldsOf(v.Type()) {
		field := v.Field(f.index)
		switch {
		case f.omitempty && isEmpty(field), f.omitzero && field.IsZero():
			continue
		case f.name == "":
			if err := plainFields(field, to); err != nil {
				return err
			}
			continue
		}
		value, err := plain(field)
		if err != nil {
			return err
		}
		to[f.name] = value
	}
	return nil
}

// isEmpty reports what encoding/json leaves out for omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// jsonField is a field of a struct by its tag; without a name it is inlined.
type jsonField struct {
	index               int
	name                string
	omitempty, omitzero bool
}

var jsonFields sync.Map // []jsonField by reflect.Type

func fieldsOf(t reflect.Type) []jsonField {
	if known, ok := jsonFields.Load(t); ok {
		return known.([]jsonField)
	}
	var fields []jsonField
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		f := jsonField{index: i, name: name}
		if name == "" && !field.Anonymous {
			f.name = field.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			f.omitempty = f.omitempty || option == "omitempty"
			f.omitzero = f.omitzero || option == "omitzero"
		}
		fields = append(fields, f)
	}
	jsonFields.Store(t, fields)
	return fields
}
