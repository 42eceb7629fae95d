// Ordering turns baskets into orders, has them paid, and tells the customer.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

// The states of an order. It is stored in the first together with the message
// that asks for its payment, and in one of the others together with the message
// that tells of it, so that no order is ever forgotten on the way.
const (
	awaiting = "awaiting payment"
	paid     = "paid"
	declined = "declined"
)

// order keeps names and prices as they were when it was placed.
type order struct {
	ID       string    `json:"id"`
	Customer string    `json:"customer"`
	Placed   time.Time `json:"placed"`
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"` // why it was declined
	Lines    []line    `json:"lines"`
	Total    int       `json:"total"` // in cents
}

type line struct {
	Item     string `json:"item"`
	Name     string `json:"name"`
	Price    int    `json:"price"` // of one, in cents
	Quantity int    `json:"quantity"`
}

func (o *order) key() string { return o.Customer + "/" + o.ID }

func main() {
	kit.Main("ordering", func(_ context.Context, s *kit.Server) error {
		o := &ordering{data: store.Dial(s, "ordering"), basket: s.Client("basket"), catalog: s.Client("catalog")}
		o.routes(s)
		s.Go(o.data.Consume(o.settle))
		return nil
	})
}

type ordering struct {
	data            *store.Client
	basket, catalog *kit.Client
}

func (o *ordering) routes(s *kit.Server) {
	s.Handle("POST /customers/{customer}/orders", o.place)
	s.Handle("GET /customers/{customer}/orders", o.list)
	s.Handle("GET /customers/{customer}/orders/{id}", o.show)
}

// place orders what is in the customer's basket. The order has the ID of the
// basket: the same basket ordered twice is one order.
func (o *ordering) place(r *http.Request) (any, error) {
	ctx, customer := r.Context(), r.PathValue("customer")
	path := "/customers/" + customer + "/basket"
	var basket struct {
		ID    string `json:"id"`
		Lines []line `json:"lines"`
	}
	if err := o.basket.Get(ctx, path, &basket); err != nil {
		return nil, err
	}
	if len(basket.Lines) == 0 {
		return nil, kit.Errorf(http.StatusConflict, "the basket is empty")
	}
	placed := order{ID: basket.ID, Customer: customer, Placed: time.Now().UTC(), State: awaiting, Lines: basket.Lines}
	if err := o.price(ctx, &placed); err != nil {
		return nil, err
	}
	err := o.data.Commit(ctx,
		o.data.PutIf(0, placed.key(), placed),
		store.Push("payment", map[string]any{"order": placed.key(), "customer": customer, "total": placed.Total}))
	if errors.Is(err, store.ErrConflict) {
		_, err = o.data.Get(ctx, placed.key(), &placed)
	}
	if err != nil {
		return nil, err
	}
	if err := o.basket.Do(ctx, http.MethodDelete, path+"?id="+basket.ID, nil, nil); err != nil {
		kit.Log(ctx).Warn("the basket is still full", "order", placed.ID, "error", err) // and makes no second order
	}
	return placed, nil
}

// price looks up what is ordered: a customer's word for a price is not taken.
func (o *ordering) price(ctx context.Context, placed *order) error {
	var items []struct {
		ID, Name string
		Price    int
	}
	if err := o.catalog.Get(ctx, "/items", &items); err != nil {
		return err
	}
	for i := range placed.Lines {
		l := &placed.Lines[i]
		found := -1
		for j, item := range items {
			if item.ID == l.Item {
				found = j
			}
		}
		if found < 0 {
			return kit.Errorf(http.StatusConflict, "%s is not sold any more: take it out of the basket", l.Item)
		}
		l.Name, l.Price = items[found].Name, items[found].Price
		placed.Total += l.Price * l.Quantity
	}
	return nil
}

func (o *ordering) list(r *http.Request) (any, error) {
	orders, err := store.List[order](r.Context(), o.data, r.PathValue("customer")+"/")
	slices.SortFunc(orders, func(a, b order) int {
		return cmp.Or(b.Placed.Compare(a.Placed), cmp.Compare(a.ID, b.ID)) // newest first
	})
	return orders, err
}

func (o *ordering) show(r *http.Request) (any, error) {
	var found order
	version, err := o.data.Get(r.Context(), r.PathValue("customer")+"/"+r.PathValue("id"), &found)
	if err == nil && version == 0 {
		err = kit.Errorf(http.StatusNotFound, "you have no order %q", r.PathValue("id"))
	}
	return found, err
}

// settle is told by payment how an order ended. It may be told twice: an order
// that is settled stays as it is, and its customer is told once.
func (o *ordering) settle(ctx context.Context, message json.RawMessage) ([]store.Op, error) {
	var told struct {
		Order, Declined string // Declined is why; empty when it is paid
	}
	if err := json.Unmarshal(message, &told); err != nil {
		return nil, err
	}
	var settled order
	version, err := o.data.Get(ctx, told.Order, &settled)
	if err != nil || settled.State != awaiting {
		return nil, err
	}
	settled.State, settled.Reason = paid, told.Declined
	if told.Declined != "" {
		settled.State = declined
	}
	kit.Log(ctx).Info("settled", "order", settled.ID, "state", settled.State)
	return []store.Op{
		o.data.PutIf(version, told.Order, settled),
		store.Push("notifications", map[string]any{
			"order": settled.ID, "customer": settled.Customer, "total": settled.Total, "state": settled.State, "reason": settled.Reason,
		}),
	}, nil
}
