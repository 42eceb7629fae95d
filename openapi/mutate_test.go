package openapi_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shipit-dev/shipit/openapi"
)

// mutation is an object that was valid, with one thing about it changed.
type mutation struct {
	what   string // "drop spec.selector"
	object *unstructured.Unstructured
}

// mutations gives every way to break o in one place: each field left out, of
// another type, misspelt; each element null, or there twice.
func mutations(o *unstructured.Unstructured) []mutation {
	var out []mutation
	var visit func(path string, v any)
	keep := func(what, path string) {
		out = append(out, mutation{what + " " + path, &unstructured.Unstructured{Object: runtime.DeepCopyJSON(o.Object)}})
	}
	visit = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			v["bogus"] = "x"
			keep("add", path+".bogus")
			delete(v, "bogus")
			for _, k := range slices.Sorted(maps.Keys(v)) {
				p, old := path+"."+k, v[k]
				if p == ".apiVersion" || p == ".kind" || p == ".metadata" || p == ".metadata.name" {
					continue
				}
				delete(v, k)
				keep("drop", p)
				v[k] = nil
				keep("null", p)
				for _, other := range others(old) {
					v[k] = other
					keep(fmt.Sprintf("%T %v in", other, other), p)
				}
				v[k] = old
				visit(p, old)
			}
		case []any:
			for i, old := range v {
				p := fmt.Sprintf("%s[%d]", path, i)
				for _, other := range append(others(old), nil) {
					v[i] = other
					keep(fmt.Sprintf("%T %v in", other, other), p)
				}
				v[i] = old
				visit(p, old)
			}
		}
	}
	visit("", o.Object)
	return append(out, twice(o)...)
}

// others gives values of other types than v, and for text an unlikely text.
func others(v any) []any {
	switch v.(type) {
	case string:
		return []any{int64(5), true, map[string]any{"a": "b"}, []any{"a"}, "Bogus!", ""}
	case bool:
		return []any{"true", int64(1), nil}
	case map[string]any:
		return []any{"text", []any{}, map[string]any{}}
	case []any:
		return []any{"text", map[string]any{"a": "b"}, []any{}}
	}
	return []any{"text", "5", 1.5, int64(1) << 40, true, map[string]any{}}
}

// twice doubles the first element of each list.
func twice(o *unstructured.Unstructured) []mutation {
	var out []mutation
	var visit func(path string, v any)
	visit = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				p := path + "." + k
				if l, ok := v[k].([]any); ok && len(l) > 0 {
					v[k] = append(slices.Clone(l), l[0])
					out = append(out, mutation{"twice " + p, &unstructured.Unstructured{Object: runtime.DeepCopyJSON(o.Object)}})
					v[k] = l
				}
				visit(p, v[k])
			}
		case []any:
			for i := range v {
				visit(fmt.Sprintf("%s[%d]", path, i), v[i])
			}
		}
	}
	visit("", o.Object)
	return out
}

var allMutations = flag.Bool("all-mutations", false, "try every mutation, and list what the server alone refuses")

// TestMutations breaks each good object in every place, and compares what is said
// here with what the API server says.
func TestMutations(t *testing.T) {
	s := onServer(t)
	b, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	every := 5
	if *allMutations {
		every = 1
	}
	var mu sync.Mutex
	var falseAlarms, misses []string
	total, both, truncated := 0, 0, 0
	for _, o := range parse(t, string(b)) {
		if err := s.apply(t.Context(), o); err != nil {
			t.Errorf("the server refuses the good %s: %v", o.GetKind(), err)
			continue
		}
		var g errgroup.Group
		g.SetLimit(8)
		for i, m := range mutations(o) {
			if (i+len(o.GetKind()))%every > 0 {
				continue
			}
			g.Go(func() error {
				theirs := s.apply(t.Context(), m.object)
				ours := errorsOf(s.validator.Validate([]*unstructured.Unstructured{m.object}))
				mu.Lock()
				defer mu.Unlock()
				total++
				name := o.GetKind() + ": " + m.what
				switch {
				case theirs == nil && cutOff(ours):
					truncated++
				case theirs == nil && len(ours) > 0:
					falseAlarms = append(falseAlarms, name+"\n\t"+text(ours))
				case theirs != nil && len(ours) == 0:
					misses = append(misses, name+"\n\t"+theirs.Error())
				case theirs != nil:
					both++
				}
				return nil
			})
		}
		_ = g.Wait()
	}
	slices.Sort(falseAlarms)
	slices.Sort(misses)
	t.Logf("%d mutations, %d refused by both, %d by the server alone, %d numbers cut off", total, both, len(misses), truncated)
	if *allMutations {
		t.Logf("refused by the server alone:\n%s", strings.Join(misses, "\n"))
	}
	if both < total/3 {
		t.Errorf("only %d of %d mutations were refused by both", both, total)
	}
	for _, f := range falseAlarms {
		t.Errorf("refused here, but not by the server: %s", f)
	}
}

// cutOff says that the only fault is a number of more than 32 bits: server-side
// apply cuts it off silently (2^40 becomes 0), where a POST refuses it.
func cutOff(found []openapi.Finding) bool {
	return len(found) == 1 && strings.Contains(found[0].Message, "does not fit 32 bits")
}

func errorsOf(found []openapi.Finding) []openapi.Finding {
	return slices.DeleteFunc(found, func(f openapi.Finding) bool { return f.Severity != openapi.Error })
}
