package openapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shipit-dev/shipit/internal/nearest"
	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// scalar checks a value that holds no other.
func (w *walk) scalar(t *table.Type, v any) {
	s, isString := v.(string)
	switch t.Shape {
	case table.Int32, table.Int64:
		w.integer(t.Shape, v)
	case table.Number:
		if _, ok := number(v); !ok {
			w.wrongType("a number", v)
		}
	case table.Bool:
		if _, ok := v.(bool); !ok {
			w.wrongType("true or false", v)
		}
	case table.IntOrString:
		if !isString {
			w.intOrString(v)
		}
	case table.Quantity:
		w.quantity(v)
	default:
		if !isString {
			w.wrongType("a string", v)
			return
		}
		w.text(t, s)
	}
}

func (w *walk) text(t *table.Type, s string) {
	switch t.Shape {
	case table.Bytes:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			w.report(InvalidValue, "this is not base64", "", w.plainHint())
		}
	case table.Time:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			w.report(InvalidValue, fmt.Sprintf("%q is not a time", s), "", "write it as 2006-01-02T15:04:05Z")
		}
	case table.String:
		if len(t.Enum) > 0 && s != "" && !w.lenient {
			w.enum(t, s)
		}
	}
}

// plainHint tells who writes plain text into a Secret of the field for it.
func (w *walk) plainHint() string {
	if w.object.GetKind() == "Secret" && len(w.path) > 0 && w.path[0].Name == "data" {
		return "encode it, or write it under stringData"
	}
	return ""
}

// enum checks s against the values of the version. The empty string is not among
// them, and yet the API server takes it for a field that is not set.
func (w *walk) enum(t *table.Type, s string) {
	values := make([]string, 0, len(t.Enum))
	for _, v := range t.Enum {
		if v.In.Has(w.model.number) {
			values = append(values, v.Text)
		}
	}
	if slices.Contains(values, s) {
		return
	}
	for _, v := range t.Enum {
		if v.Text == s {
			w.report(UnknownValue, fmt.Sprintf("Kubernetes %s does not know %q here", w.model.version(), s),
				"it is known "+w.model.since(v.In), "")
			return
		}
	}
	hint := "write one of " + strings.Join(values, ", ")
	if n := nearest.Name(s, values); n != "" {
		hint = "write " + n
	}
	w.report(UnknownValue, fmt.Sprintf("%q is no value of this field", s), "it may be "+strings.Join(values, ", "), hint)
}

func (w *walk) integer(shape table.Shape, v any) {
	f, ok := number(v)
	switch {
	case !ok || f != math.Trunc(f):
		w.wrongType("an integer", v)
	case shape == table.Int32 && (f < math.MinInt32 || f > math.MaxInt32):
		w.report(InvalidValue, show(v)+" does not fit 32 bits", "", "")
	case f < math.MinInt64 || f > math.MaxInt64:
		w.report(InvalidValue, show(v)+" does not fit 64 bits", "", "")
	}
}

func (w *walk) intOrString(v any) {
	f, ok := number(v)
	switch {
	case !ok || f != math.Trunc(f):
		w.wrongType("an integer or a string", v)
	case f < math.MinInt32 || f > math.MaxInt32:
		w.report(InvalidValue, show(v)+" does not fit 32 bits", "", "")
	}
}

func (w *walk) quantity(v any) {
	if s, ok := v.(string); ok {
		if _, err := resource.ParseQuantity(s); err != nil {
			w.report(InvalidValue, fmt.Sprintf("%q is not a quantity", s),
				"a quantity is a number with a unit such as m, Ki, Mi or Gi", "write it as 250m, 64Mi or 1.5")
		}
		return
	}
	if _, ok := number(v); !ok {
		w.wrongType("a quantity", v)
	}
}

// number gives v as a number, if it is one. Objects come from JSON, from YAML and
// from Go code.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case int:
		return float64(n), true
	case int32:
		return float64(n), true
	case uint64:
		return float64(n), true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// wrongType reports v, where something else must be.
func (w *walk) wrongType(must string, v any) {
	hint := ""
	_, isNumber := number(v)
	_, isBool := v.(bool)
	text, isText := v.(string)
	switch {
	case must == "a string" && (isNumber || isBool):
		hint = fmt.Sprintf("write %q", show(v))
	case must == "an integer" && isText:
		if _, err := strconv.Atoi(text); err == nil {
			hint = "write " + text
		}
	case must == "true or false" && (text == "true" || text == "false"):
		hint = "write " + text
	case must == "a list" && v != nil:
		hint = "write […] around it"
	}
	w.report(WrongType, fmt.Sprintf("this must be %s, but is %s", must, describe(v)), "", hint)
}

// show writes a scalar as people do: a float is not always meant as one.
func show(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// describe says what v is. It shows no text: that may be a secret.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("the bool %v", v)
	case string:
		return "a string"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return "the number " + show(v)
}
