// Basket keeps what customers have chosen and not yet ordered.
package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

const (
	mostLines    = 50
	mostQuantity = 99
)

// basket gets a new ID with every change, so that the ID says what is in it: an
// order takes the ID of its basket, and ordering the same twice is noticed.
type basket struct {
	ID    string `json:"id"`
	Lines []line `json:"lines"`
}

type line struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
}

func main() {
	kit.Main("basket", func(_ context.Context, s *kit.Server) error {
		b := &baskets{data: store.Dial(s, "basket"), catalog: s.Client("catalog")}
		b.routes(s)
		return nil
	})
}

type baskets struct {
	data    *store.Client
	catalog *kit.Client
}

func (b *baskets) routes(s *kit.Server) {
	s.Handle("GET /customers/{customer}/basket", b.show)
	s.Handle("PUT /customers/{customer}/basket/{item}", b.put)
	s.Handle("DELETE /customers/{customer}/basket", b.empty)
}

func (b *baskets) show(r *http.Request) (any, error) {
	found, _, err := b.get(r)
	return found, err
}

func (b *baskets) get(r *http.Request) (basket, uint64, error) {
	found := basket{Lines: []line{}}
	version, err := b.data.Get(r.Context(), r.PathValue("customer"), &found)
	return found, version, err
}

// put sets how many of an item there are; none takes it out.
func (b *baskets) put(r *http.Request) (any, error) {
	wanted := line{Item: r.PathValue("item"), Quantity: -1}
	if err := kit.Decode(r, &struct {
		Quantity *int `json:"quantity"`
	}{&wanted.Quantity}); err != nil {
		return nil, err
	}
	if wanted.Quantity < 0 || wanted.Quantity > mostQuantity {
		return nil, kit.Errorf(http.StatusBadRequest, "quantity must be from 0 to %d", mostQuantity)
	}
	if wanted.Quantity > 0 { // what is not sold any more can still be taken out
		if err := b.catalog.Get(r.Context(), "/items/"+url.PathEscape(wanted.Item), nil); err != nil {
			return nil, err
		}
	}
	return b.change(r, func(old basket) (basket, error) {
		changed := basket{ID: kit.NewID(), Lines: slices.DeleteFunc(old.Lines, func(l line) bool { return l.Item == wanted.Item })}
		if wanted.Quantity > 0 {
			changed.Lines = append(changed.Lines, wanted)
		}
		if len(changed.Lines) > mostLines {
			return old, kit.Errorf(http.StatusConflict, "a basket holds at most %d items", mostLines)
		}
		slices.SortFunc(changed.Lines, func(a, b line) int { return cmp.Compare(a.Item, b.Item) })
		return changed, nil
	})
}

// empty takes everything out, if the basket is still the one with the given id:
// what was put in meanwhile has not been ordered.
func (b *baskets) empty(r *http.Request) (any, error) {
	return b.change(r, func(old basket) (basket, error) {
		if id := r.FormValue("id"); id != "" && id != old.ID {
			return old, nil
		}
		return basket{Lines: []line{}}, nil
	})
}

// change stores what is made of the basket, and starts again when somebody
// else has changed it meanwhile: the same customer, in another tab.
func (b *baskets) change(r *http.Request, change func(basket) (basket, error)) (any, error) {
	for range 5 {
		old, version, err := b.get(r)
		if err != nil {
			return nil, err
		}
		changed, err := change(old)
		if err != nil || changed.ID == old.ID {
			return changed, err
		}
		err = b.data.Commit(r.Context(), b.data.PutIf(version, r.PathValue("customer"), changed))
		if !errors.Is(err, store.ErrConflict) {
			return changed, err
		}
	}
	return nil, kit.Errorf(http.StatusConflict, "the basket changes too often: try again")
}
