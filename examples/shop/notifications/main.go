// Notifications writes to customers when something happens to their orders, and
// keeps what it wrote.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

// note is what was written to a customer.
type note struct {
	Order string    `json:"order"`
	Sent  time.Time `json:"sent"`
	Text  string    `json:"text"`
}

func main() {
	kit.Main("notifications", func(_ context.Context, s *kit.Server) error {
		n := &notifications{store.Dial(s, "notifications")}
		s.Handle("GET /customers/{customer}/notifications", n.list)
		s.Go(n.data.Consume(n.send))
		return nil
	})
}

type notifications struct{ data *store.Client }

func (n *notifications) list(r *http.Request) (any, error) {
	notes, err := store.List[note](r.Context(), n.data, r.PathValue("customer")+"/")
	slices.SortFunc(notes, func(a, b note) int { return b.Sent.Compare(a.Sent) }) // newest first
	return notes, err
}

// send writes once about each order: an order is settled once, and what was
// sent about it is stored together with the acknowledgement.
func (n *notifications) send(ctx context.Context, message json.RawMessage) ([]store.Op, error) {
	var told struct {
		Order, Customer, State, Reason string
		Total                          int
	}
	if err := json.Unmarshal(message, &told); err != nil {
		return nil, err
	}
	key := told.Customer + "/" + told.Order
	var earlier note
	if version, err := n.data.Get(ctx, key, &earlier); err != nil || version > 0 {
		return nil, err
	}
	text := fmt.Sprintf("Dear %s, your order of %s is %s.", told.Customer, kit.Money(told.Total), told.State)
	if told.Reason != "" {
		text += " Why: " + told.Reason + "."
	}
	kit.Log(ctx).Info("sent", "order", told.Order, "to", told.Customer)
	return []store.Op{n.data.PutIf(0, key, note{told.Order, time.Now().UTC(), text})}, nil
}
