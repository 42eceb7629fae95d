package apply

import (
	"errors"
	"reflect"
	"testing"
)

func needing(units ...[]string) []target {
	var out []target
	for _, u := range units {
		out = append(out, target{unit: u[0], needs: u[1:]})
	}
	return out
}

func TestCircle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		targets []target
		want    string
	}{
		{"none", needing([]string{"web", "basket", "catalog"}, []string{"basket", "store"}, []string{"catalog", "store"}, []string{"store"}), ""},
		{"two", needing([]string{"api"}, []string{"web", "basket"}, []string{"basket", "web"}), "web -> basket -> web"},
		{"itself", needing([]string{"web", "web"}), "web -> web"},
		{"not from the start", needing([]string{"web", "a"}, []string{"a", "b"}, []string{"b", "c"}, []string{"c", "a"}), "a -> b -> c -> a"},
		{"outside", needing([]string{"web", "elsewhere"}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := circle(tt.targets)
			if tt.want == "" {
				must(t, err)
				return
			}
			var c *CircleError
			if !errors.As(err, &c) || c.Error() != "these need each other, so none of them can be first: "+tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestEdgesAndLevels(t *testing.T) {
	t.Parallel()
	targets := needing([]string{AppUnit}, []string{"basket", "store", "elsewhere"}, []string{"mail"}, []string{"store", "web"}, []string{"web", "basket"})
	nodes := []string{AppUnit, "basket", "mail", "store", "web"}
	got := edges(targets, nodes)
	// web's need of basket comes last and would close a circle.
	want := map[string][]string{
		"basket": {"store", AppUnit}, "mail": {AppUnit}, "store": {"web", AppUnit}, "web": {AppUnit},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("edges %v, want %v", got, want)
	}
	wantLevels := [][]string{{AppUnit}, {"mail", "web"}, {"store"}, {"basket"}}
	if got := levels(nodes, got); !reflect.DeepEqual(got, wantLevels) {
		t.Errorf("levels %v, want %v", got, wantLevels)
	}
	if got := levels([]string{"web", "basket"}, map[string][]string{"web": {"basket"}}); !reflect.DeepEqual(got, [][]string{{"basket"}, {"web"}}) {
		t.Errorf("levels %v", got)
	}
	if got := levels(nil, nil); len(got) != 0 {
		t.Errorf("levels of nothing: %v", got)
	}
}
