package apply

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// completed are the values that the API server writes into structs and lists
// that are owned whole, when they were applied without. What is owned field by
// field needs no such table: a defaulted field is not ours, and is not looked at.
// The keys end the path of the field, without list indexes. A default that is
// missing here costs a dry run, no more.
var completed = map[string]any{
	"fieldRef.apiVersion":                   "v1",
	"resourceFieldRef.divisor":              "0",
	"serviceAccountToken.expirationSeconds": int64(3600),
	"ports.protocol":                        "TCP",
	"volumeClaimTemplates.apiVersion":       "v1",
	"volumeClaimTemplates.kind":             "PersistentVolumeClaim",
	"volumeClaimTemplates.status":           map[string]any{"phase": "Pending"},
	"volumeClaimTemplates.spec.volumeMode":  "Filesystem",
}

// fieldNames gives the names on the way to a field, without list elements.
func fieldNames(p fieldpath.Path) []string {
	var out []string
	for _, pe := range p {
		if pe.FieldName != nil {
			out = append(out, *pe.FieldName)
		}
	}
	return out
}

// sameWhole reports whether live is what the server makes of desired: equal, but
// for quantities in another form and what is completed. What desired has and live
// has not is a difference, even if it is empty: an empty selector is not none.
func sameWhole(names []string, desired, live any) bool {
	switch d := desired.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range d {
			lv, has := l[k]
			if !has || !sameWhole(append(names, k), v, lv) {
				return false
			}
		}
		for k, v := range l {
			if _, has := d[k]; !has && !isCompleted(append(names, k), v) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(d) {
			return false
		}
		for i := range d {
			if !sameWhole(names, d[i], l[i]) {
				return false
			}
		}
		return true
	}
	return equality.Semantic.DeepEqual(desired, live) || isQuantity(names) && sameQuantity(desired, live)
}

// isCompleted reports whether the server may have added the value by itself.
func isCompleted(names []string, live any) bool {
	if live == nil {
		return true // creationTimestamp, in a template
	}
	for n := 2; n <= min(3, len(names)); n++ {
		if def, ok := completed[strings.Join(names[len(names)-n:], ".")]; ok {
			return equality.Semantic.DeepEqual(def, live)
		}
	}
	return false
}

// isQuantity reports whether the field is a resource.Quantity in the built-in
// types. A quantity elsewhere costs a dry run.
func isQuantity(names []string) bool {
	if len(names) == 0 {
		return false
	}
	switch names[len(names)-1] {
	case "sizeLimit", "divisor":
		return true
	}
	if len(names) < 2 {
		return false
	}
	switch names[len(names)-2] {
	case "limits", "requests", "hard", "overhead":
		return true
	}
	return false
}

func sameQuantity(a, b any) bool {
	qa, err := resource.ParseQuantity(fmt.Sprint(a))
	if err != nil {
		return false
	}
	qb, err := resource.ParseQuantity(fmt.Sprint(b))
	return err == nil && qa.Cmp(qb) == 0
}
