// Catalog knows what the shop sells, and for how much.
package main

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

// item is one thing to buy.
type item struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Price       int    `json:"price"` // in cents
}

func main() {
	kit.Main("catalog", func(_ context.Context, s *kit.Server) error {
		(&catalog{store.Dial(s, "catalog")}).routes(s)
		return nil
	})
}

type catalog struct{ data *store.Client }

func (c *catalog) routes(s *kit.Server) {
	s.Handle("GET /items", c.list)
	s.Handle("GET /items/{id}", c.show)
	s.Handle("PUT /items", c.replace)
}

func (c *catalog) list(r *http.Request) (any, error) {
	items, err := store.List[item](r.Context(), c.data, "")
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.Name, b.Name) })
	return items, err
}

func (c *catalog) show(r *http.Request) (any, error) {
	var found item
	version, err := c.data.Get(r.Context(), r.PathValue("id"), &found)
	if err == nil && version == 0 {
		err = kit.Errorf(http.StatusNotFound, "we do not sell %q", r.PathValue("id"))
	}
	return found, err
}

// replace makes a list the whole catalog, at once: nobody sees half of it.
func (c *catalog) replace(r *http.Request) (any, error) {
	var items []item
	if err := kit.Decode(r, &items); err != nil {
		return nil, err
	}
	if err := check(items); err != nil {
		return nil, err
	}
	old, err := store.List[item](r.Context(), c.data, "")
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, it := range old {
		ops = append(ops, c.data.Delete(it.ID))
	}
	for _, it := range items {
		ops = append(ops, c.data.Put(it.ID, it))
	}
	return nil, c.data.Commit(r.Context(), ops...)
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

func check(items []item) error {
	seen := map[string]bool{}
	for i, it := range items {
		switch {
		case !idForm.MatchString(it.ID):
			return kit.Errorf(http.StatusBadRequest, "item %d: its id is %q: it must be at most 40 of a-z, 0-9 and -, starting with a letter", i+1, it.ID)
		case seen[it.ID]:
			return kit.Errorf(http.StatusBadRequest, "item %s is there twice", it.ID)
		case it.Name == "":
			return kit.Errorf(http.StatusBadRequest, "item %s has no name", it.ID)
		case it.Price <= 0:
			return kit.Errorf(http.StatusBadRequest, "item %s: its price is %d cents: it must be more than nothing", it.ID, it.Price)
		}
		seen[it.ID] = true
	}
	return nil
}
